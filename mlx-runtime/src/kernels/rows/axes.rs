//! Arrays with any number of axes for kernels that are written for three.
//!
//! Tests: `tests/fused_kernels.rs`.

use crate::{ops, Array, Result};

/// `[.., D]` as `[B, L, D]`.
pub(crate) fn three(x: &Array) -> Result<Array> {
    match x.shape() {
        [_, _, _] => Ok(x.clone()),
        shape => ops::reshape(x, &[1, -1, shape.last().copied().unwrap_or(1)]),
    }
}

/// An array of [`three`] axes with those of another array again.
pub(crate) fn as_before(y: Array, like: &Array) -> Result<Array> {
    match like.ndim() {
        3 => Ok(y),
        _ => ops::reshape(&y, like.shape()),
    }
}
