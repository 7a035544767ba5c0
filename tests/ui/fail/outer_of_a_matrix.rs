use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![C]) -> Tensor![A, B] {
    outer(x, y)
}

fn main() {}
