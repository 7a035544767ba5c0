use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![C, A, B], y: Tensor![D, B, A]) -> Tensor![C, A, B] {
    matmul(x, y)
}

fn main() {}
