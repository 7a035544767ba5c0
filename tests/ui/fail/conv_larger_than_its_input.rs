use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, 2, C], w: Tensor![D, 5, C]) -> Tensor![B, 2, C] {
    conv1d(x, w)
}

fn main() {}
