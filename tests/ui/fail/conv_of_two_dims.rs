use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, L], w: Tensor![D, 3, L]) -> Tensor![B, L] {
    conv1d(x, w)
}

fn main() {}
