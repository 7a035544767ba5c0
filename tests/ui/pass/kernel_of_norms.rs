#![forbid(unsafe_code)]

use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn norms(
    x: Tensor![B, L, D],
    w: Tensor![D],
    b: Tensor![D],
    eps: f32,
) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    (rms_norm(x, w, eps), layer_norm(x, w, b, eps))
}

fn main() {}
