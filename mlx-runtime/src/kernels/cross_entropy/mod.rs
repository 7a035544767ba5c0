//! Cross entropy of rows of logits, with its gradient, and of a projection whose logits never exist whole.
//!
//! Tests: `tests/fused_kernels.rs`, `mlx-models --test native_kernels`.

pub mod cpu;
mod cuda;
mod rows;

use mlx_macros::mlx_kernel;

use super::select;
use crate::{ops, transforms, Array, Dtype, Result};

/// The weighted losses `[..]` of the logits `x W^T`: `x [.., D]`, a frozen weight `w [V, D]`, `targets [..]`, weights `[..]`.
/// `None` unless one kernel computes product, loss and gradient.
pub(crate) fn projected(
    x: &Array,
    w: impl FnOnce() -> Result<Array>,
    targets: &Array,
    weights: impl FnOnce() -> Result<Array>,
) -> Option<Result<Array>> {
    if !select::on_cpu(x) {
        return None;
    }
    let both = w().and_then(|w| Ok((w, weights()?)));
    Some(both.and_then(|(w, weights)| {
        let with_grad = transforms::is_differentiating();
        cpu::linear_cross_entropy(x, &w, targets, &weights, with_grad)
    }))
}

#[mlx_kernel]
fn scaled_rows(
    x: Tensor![N, D],
    by: Tensor![N, 1; f32],
    weights: Tensor![N, 1; f32],
) -> Tensor![N, D] {
    astype(astype(x, f32) * (by * weights), float)
}

/// `x [n, D]`, numbers `by` and `weights [n]` -> each row times both of its numbers, in `dtype` unless one kernel does it.
pub(crate) fn scale_rows(x: &Array, by: &Array, weights: &Array, dtype: Dtype) -> Result<Array> {
    if x.ndim() == 2 && select::rows_anywhere(&[x]) {
        let column = |a: &Array| ops::expand_dims(&ops::astype(a, Dtype::Float32)?, &[-1]);
        return scaled_rows(x, &column(by)?, &column(weights)?);
    }
    let by = ops::expand_dims(&ops::multiply(by, weights)?, &[-1])?;
    ops::multiply(x, &ops::astype(&by, dtype)?)
}

/// In float32, and no larger than the cap.
pub(crate) fn capped(z: &Array, cap: Option<f32>) -> Result<Array> {
    let z = ops::astype(z, Dtype::Float32)?;
    match cap {
        None => Ok(z),
        Some(cap) => {
            let cap = Array::scalar(cap)?;
            ops::multiply(&ops::tanh(&ops::divide(&z, &cap)?)?, &cap)
        }
    }
}

/// `logits [n, V]`, `targets [n]` -> `[n]`.
pub(crate) fn losses(logits: &Array, targets: &Array) -> Result<Array> {
    let picked = ops::take_along_axis(logits, &ops::expand_dims(targets, &[-1])?, -1)?;
    ops::subtract(
        &ops::logsumexp(logits, &[-1], false)?,
        &ops::squeeze(&picked, &[-1])?,
    )
}

/// The losses of logits before the cap, and their gradients with respect to them.
pub(crate) fn losses_and_slope(
    z: &Array,
    targets: &Array,
    cap: Option<f32>,
) -> Result<(Array, Array)> {
    if select::on_cuda(z) {
        return cuda::cross_entropy(z, targets, cap);
    }
    if select::rows_on_cpu(&[z]) {
        return rows::losses_and_slope(z, targets, cap);
    }
    let z = capped(z, cap)?;
    let nll = losses(&z, targets)?;
    let dz = slope(&z, targets, &nll, cap)?;
    Ok((nll, dz))
}

/// The losses' gradients with respect to the logits before the cap: softmax, less 1 at the target,
/// times the slope of the cap.
fn slope(logits: &Array, targets: &Array, losses: &Array, cap: Option<f32>) -> Result<Array> {
    let at = ops::expand_dims(targets, &[-1])?;
    let p = ops::softmax(logits, &[-1], false)?;
    // exp(-loss) - 1, exact where it is near 0.
    let there = ops::expm1(&ops::negative(&ops::expand_dims(losses, &[-1])?)?)?;
    let dz = ops::put_along_axis(&p, &at, &there, -1)?;
    match cap {
        None => Ok(dz),
        Some(cap) => {
            let tanh = ops::divide(logits, &Array::scalar(cap)?)?;
            let slope = ops::subtract(&Array::scalar(1f32)?, &ops::square(&tanh)?)?;
            ops::multiply(&dz, &slope)
        }
    }
}
