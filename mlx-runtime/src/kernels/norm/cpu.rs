//! The CPU's root-mean-square norms, alone and with the addition in front.
//!
//! Tests: `tests/fused_kernels.rs`.

use std::ptr::null_mut;

use mlx_sys as sys;

use crate::array::build;
use crate::error::from_c;
use crate::{stream, Array, Result};

/// x / sqrt(mean(x^2) + eps) * w over the last axis, `[.., d], [d] -> [.., d]`. The same as
/// [`crate::ops::fast::rms_norm`].
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type.
pub fn rms_norm(x: &Array, w: &Array, eps: f32) -> Result<Array> {
    build("rms_norm", &[x, w], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_rms_norm(out, x.as_raw(), w.as_raw(), eps, s) }
    })
}

/// h = x + r and y = rms_norm(h, w), `[.., d], [.., d], [d] -> ([.., d], [.., d])`: the residual
/// addition of a block and the norm that starts the next one. Returns `(h, y)`.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type.
pub fn add_rms_norm(x: &Array, r: &Array, w: &Array, eps: f32) -> Result<(Array, Array)> {
    let op = "add_rms_norm";
    let stream = stream::current()?;
    let mut sum = sys::mlx_array { ctx: null_mut() };
    let mut normed = sys::mlx_array { ctx: null_mut() };
    // SAFETY: the inputs and the stream are valid, the destinations null.
    let status = unsafe {
        sys::mlxrs_add_rms_norm(
            &mut sum,
            &mut normed,
            x.as_raw(),
            r.as_raw(),
            w.as_raw(),
            eps,
            stream,
        )
    };
    if status != 0 {
        return Err(from_c(op, &[x, r, w]));
    }
    Ok((
        Array::from_handle(sum, op)?,
        Array::from_handle(normed, op)?,
    ))
}
