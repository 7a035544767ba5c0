use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![A, C]) -> Tensor![A, B] {
    stack([x, y], 0)
}

fn main() {}
