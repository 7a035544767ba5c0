use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_fn]
pub fn g(x: Tensor![B, D], dout: Tensor![B, D]) -> Tensor![B, D] {
    x * dout
}

#[mlx_kernel(vjp = g)]
pub fn f(#[frozen] x: Tensor![B, D]) -> Tensor![B, D] {
    exp(x)
}

fn main() {}
