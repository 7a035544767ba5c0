#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn beside(x: Tensor![B, D], y: Tensor![B, E]) -> (Tensor![B, D + E], Tensor![B]) {
    (concatenate([exp(x), y], -1), max(y, -1))
}

fn main() {}
