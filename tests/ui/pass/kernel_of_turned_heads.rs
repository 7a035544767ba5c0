#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn turned(x: Tensor![B, L, H, 8], c: Tensor![L, 4], s: Tensor![L, 4]) -> Tensor![B, H, L, 8] {
    let (a, b) = split(transpose(x, [0, 2, 1, 3]), 2, -1);
    concatenate([a * c - b * s, a * s + b * c], -1)
}

fn main() {}
