#![forbid(unsafe_code)]

use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_fn]
pub fn g(
    x: Tensor![B, D],
    w: Tensor![D],
    by: f32,
    dout: Tensor![B, D],
) -> (Tensor![B, D], Tensor![D]) {
    (dout * w * by, sum(dout * x, 0) * by)
}

#[mlx_kernel(vjp = g)]
pub fn f(x: Tensor![B, D], w: Tensor![D], by: f32) -> Tensor![B, D] {
    x * w * by
}

fn main() {}
