use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B; i32]) -> Tensor![A, B; i32] {
    exp(x)
}

fn main() {}
