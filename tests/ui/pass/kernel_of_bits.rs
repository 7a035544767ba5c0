#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn bits(words: Tensor![N, G, 1; u32]) -> Tensor![N, G, 8; u32] {
    bitwise_and(
        right_shift(words, arange(8, dtype = u32) * 4),
        full([1], 15, u32),
    )
}

fn main() {}
