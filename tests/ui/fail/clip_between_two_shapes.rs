use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![1, 1], y: Tensor![A, B], z: Tensor![C]) -> Tensor![1, 1] {
    clip(x, y, z)
}

fn main() {}
