use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], i: Tensor![B; i32]) -> Tensor![A, B] {
    take_along_axis(x, i, 1)
}

fn main() {}
