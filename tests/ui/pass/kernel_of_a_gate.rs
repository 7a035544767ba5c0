#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
/// A gated unit.
pub fn gated(a: Tensor![B, L, F], b: Tensor![B, L, F]) -> Tensor![B, L, F] {
    silu(a) * b
}

fn main() {}
