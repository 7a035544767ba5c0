use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_fn]
pub fn cap(x: Tensor![B, D]) -> Tensor![B, D] {
    tanh(x) * 3.0
}

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    cap(x) + 1.0
}

fn main() {}
