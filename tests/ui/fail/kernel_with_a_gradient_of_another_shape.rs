use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_fn]
pub fn g(x: Tensor![B, D], w: Tensor![D], dout: Tensor![B, D]) -> (Tensor![B, D], Tensor![B, D]) {
    (dout * w, dout * x)
}

#[mlx_kernel(vjp = g)]
pub fn f(x: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] {
    x * w
}

fn main() {}
