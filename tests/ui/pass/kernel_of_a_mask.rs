#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn mask(scores: Tensor![B, L, M], cap: f32) -> Tensor![B, L, M] {
    softmax(tril(tanh(scores / cap)) * cap, -1)
}

fn main() {}
