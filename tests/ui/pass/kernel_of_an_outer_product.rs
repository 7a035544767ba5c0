#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn outer_product(x: Tensor![B, D], y: Tensor![B, K]) -> Tensor![B, D, K] {
    expand_dims(exp(x), -1) * expand_dims(y, 1)
}

fn main() {}
