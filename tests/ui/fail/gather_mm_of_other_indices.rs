use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, 2, B], y: Tensor![C, B, D], i: Tensor![A; i32], j: Tensor![C; i32]) -> Tensor![A, 2, B] {
    gather_mm(x, y, i, j)
}

fn main() {}
