//! Layer norms (Ba et al. 2016).
//!
//! Tests: `tests/fused_kernels.rs`.

use mlx_macros::mlx_kernel;

use super::weight;
use crate::kernels::rows::axes::{as_before, three};
use crate::kernels::select;
use crate::{ops, Array, Result};

#[mlx_kernel]
fn layer_norm_rows(x: Tensor![B, L, D], w: Tensor![D], eps: f32) -> Tensor![B, L, D] {
    let centred = x - mean(x, -1, keepdims);
    centred * rsqrt(mean(square(centred), -1, keepdims) + eps) * w
}

#[mlx_kernel]
fn layer_norm_rows_with_bias(
    x: Tensor![B, L, D],
    w: Tensor![D],
    b: Tensor![D],
    eps: f32,
) -> Tensor![B, L, D] {
    let centred = x - mean(x, -1, keepdims);
    centred * rsqrt(mean(square(centred), -1, keepdims) + eps) * w + b
}

/// `(x - mean(x)) / sqrt(var(x) + eps) * w + b` over the last axis, `[.., D], [D], [D] -> [.., D]`.
/// `mlx.core.fast.layer_norm`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn layer_norm(x: &Array, w: &Array, b: Option<&Array>, eps: f32) -> Result<Array> {
    let op = "layer_norm";
    let w = weight(op, x, w)?;
    let b = b.map(|b| weight(op, x, b)).transpose()?;
    let inputs: Vec<&Array> = [x, &w].into_iter().chain(&b).collect();
    if select::rows_anywhere(&inputs) {
        let wide = three(x)?;
        let y = match &b {
            None => layer_norm_rows(&wide, &w, eps)?,
            Some(b) => layer_norm_rows_with_bias(&wide, &w, b, eps)?,
        };
        return as_before(y, x);
    }
    ops::fast::layer_norm(x, Some(&w), b.as_ref(), eps)
}
