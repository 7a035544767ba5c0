//! Norms: root-mean-square norms (Zhang & Sennrich 2019), alone and with the residual addition in front, and layer norms.
//!
//! Tests: `tests/fused_kernels.rs`, `mlx-models --test native_kernels`.

mod layer;

pub use layer::layer_norm;

use mlx_macros::mlx_kernel;

use super::rows::axes::{as_before, three};
use super::select;
use crate::{ops, Array, Dtype, Error, Result};

#[mlx_kernel]
fn norm_rows(x: Tensor![B, L, D], w: Tensor![D], eps: f32) -> Tensor![B, L, D] {
    x * rsqrt(mean(square(x), -1, keepdims) + eps) * w
}

#[mlx_kernel]
fn norm_rows_frozen(x: Tensor![B, L, D], #[frozen] w: Tensor![D], eps: f32) -> Tensor![B, L, D] {
    x * rsqrt(mean(square(x), -1, keepdims) + eps) * w
}

#[mlx_kernel]
fn add_norm_rows(
    x: Tensor![B, L, D],
    r: Tensor![B, L, D],
    w: Tensor![D],
    eps: f32,
) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    let h = x + r;
    (h, h * rsqrt(mean(square(h), -1, keepdims) + eps) * w)
}

#[mlx_kernel]
fn add_norm_rows_frozen(
    x: Tensor![B, L, D],
    r: Tensor![B, L, D],
    #[frozen] w: Tensor![D],
    eps: f32,
) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    let h = x + r;
    (h, h * rsqrt(mean(square(h), -1, keepdims) + eps) * w)
}

/// `x / sqrt(mean(x^2) + eps) * w` over the last axis, `[.., D], [D] -> [.., D]`. `mlx.core.fast.rms_norm`. A `frozen` weight
/// has no gradient.
///
/// # Errors
/// If the shapes do not fit together.
pub fn rms_norm(x: &Array, w: &Array, eps: f32, frozen: bool) -> Result<Array> {
    let weight = weight("rms_norm", x, w)?;
    if select::rows_anywhere(&[x, &weight]) {
        let wide = three(x)?;
        let y = match frozen {
            true => norm_rows_frozen(&wide, &weight, eps)?,
            false => norm_rows(&wide, &weight, eps)?,
        };
        return as_before(y, x);
    }
    ops::fast::rms_norm(x, Some(w), eps)
}

/// `h = x + r` and the norm of `h`, `[.., D], [.., D], [D] -> ([.., D], [.., D])`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn add_rms_norm(
    x: &Array,
    r: &Array,
    w: &Array,
    eps: f32,
    frozen: bool,
) -> Result<(Array, Array)> {
    if x.shape() != r.shape() {
        let (a, b) = (x.shape(), r.shape());
        let text = format!("expected `r` in the shape of `x`, {a:?}, found {b:?}");
        return Err(Error::shape("add_rms_norm", text));
    }
    let weight = weight("add_rms_norm", x, w)?;
    if select::rows_anywhere(&[x, r, &weight]) {
        let (wide, more) = (three(x)?, three(r)?);
        let (h, y) = match frozen {
            true => add_norm_rows_frozen(&wide, &more, &weight, eps)?,
            false => add_norm_rows(&wide, &more, &weight, eps)?,
        };
        return Ok((as_before(h, x)?, as_before(y, x)?));
    }
    let h = ops::add(x, r)?;
    let y = rms_norm(&h, w, eps, frozen)?;
    Ok((h, y))
}

/// The weight of rows `x`: beside float32, MLX promotes half types.
fn weight(op: &'static str, x: &Array, w: &Array) -> Result<Array> {
    let d = x.shape().last();
    if w.shape().first() != d || w.ndim() != 1 {
        let (x, w) = (x.shape(), w.shape());
        let text = format!(
            "the weight has shape {w:?}, expected one number for each of the last axis of {x:?}"
        );
        return Err(Error::shape(op, text));
    }
    match x.dtype() == Dtype::Float32 && select::is_float(w.dtype()) {
        true => ops::astype(w, x.dtype()),
        false => Ok(w.clone()),
    }
}
