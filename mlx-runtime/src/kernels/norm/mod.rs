//! Root-mean-square norms (Zhang & Sennrich 2019), alone and with the residual addition in front.
//!
//! Tests: `tests/fused_kernels.rs`, `mlx-models --test native_kernels`.

pub mod cpu;
mod cuda;

use super::select;
use crate::{ops, Array, Result};

/// `x / sqrt(mean(x^2) + eps) * w` over the last axis, `[.., D], [D] -> [.., D]`. `mlx.core.fast.rms_norm`. A `frozen` weight
/// has no gradient.
pub(crate) fn rms_norm(x: &Array, w: &Array, eps: f32, frozen: bool) -> Result<Array> {
    if select::on_cpu(x) {
        return cpu::rms_norm(x, w, eps);
    }
    if let Some(y) = launched(x, frozen, || cuda::rms_norm(x, w, eps)) {
        return y;
    }
    ops::fast::rms_norm(x, Some(w), eps)
}

/// `h = x + r` and the norm of `h`, `[.., D], [.., D], [D] -> ([.., D], [.., D])`.
pub(crate) fn add_rms_norm(
    x: &Array,
    r: &Array,
    w: &Array,
    eps: f32,
    frozen: bool,
) -> Result<(Array, Array)> {
    if select::on_cpu(x) {
        return cpu::add_rms_norm(x, r, w, eps);
    }
    if let Some(both) = launched(x, frozen, || cuda::add_rms_norm(x, r, w, eps)) {
        return both;
    }
    let h = ops::add(x, r)?;
    let y = rms_norm(&h, w, eps, frozen)?;
    Ok((h, y))
}

/// The CUDA kernels have no gradient for the weight.
fn launched<T>(x: &Array, frozen: bool, f: impl FnOnce() -> Option<T>) -> Option<T> {
    (frozen && select::on_cuda(x)).then(f).flatten()
}
