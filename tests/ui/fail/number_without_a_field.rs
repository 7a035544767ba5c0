use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], w: Tensor![B]) -> Tensor![A, B] {
    rms_norm(x, w, x)
}

fn main() {}
