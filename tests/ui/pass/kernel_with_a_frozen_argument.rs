#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn frozen(x: Tensor![B, D], #[frozen] w: Tensor![D]) -> Tensor![B, D] {
    x * w
}

fn main() {}
