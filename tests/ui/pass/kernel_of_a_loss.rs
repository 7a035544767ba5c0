#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn loss(logits: Tensor![N, V], targets: Tensor![N, 1; i32]) -> Tensor![N, 1] {
    logsumexp(logits, -1, keepdims) - take_along_axis(logits, targets, -1)
}

fn main() {}
