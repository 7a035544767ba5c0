use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], w: Tensor![A]) -> Tensor![A, B] {
    layer_norm(x, w)
}

fn main() {}
