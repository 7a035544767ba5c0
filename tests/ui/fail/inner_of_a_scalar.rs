use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![]) -> Tensor![A, B] {
    inner(x, y)
}

fn main() {}
