use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_fn]
pub fn g(x: Tensor![B, D]) -> Tensor![B, D] {
    exp(x)
}

#[mlx_kernel(vjp = g)]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    exp(x)
}

fn main() {}
