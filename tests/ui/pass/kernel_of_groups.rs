#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn groups(x: Tensor![B, G, K], w: Tensor![G, K]) -> Tensor![B, G * K] {
    let mean = mean(x, -1, keepdims);
    let var = mean(square(x - mean), -1, keepdims = true);
    reshape((x - mean) * rsqrt(var + 1e-5) * w, [B, G * K])
}

fn main() {}
