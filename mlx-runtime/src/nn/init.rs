//! Fresh tensors, drawn as `mlx.nn` draws them.
//!
//! Tests: `tests/layers.rs`.

use crate::random::{self, Key};
use crate::{ops, Array, Dtype, Error, Result};

/// Uniform in +-1/sqrt(`inputs`).
pub(crate) fn uniform(shape: &[i32], inputs: i64, dtype: Dtype, key: &Key) -> Result<Array> {
    let limit = 1.0 / (inputs as f32).sqrt();
    let (low, high) = (Array::scalar(-limit)?, Array::scalar(limit)?);
    random::uniform(&low, &high, shape, dtype, Some(key))
}

/// Zeros, float32 `[n]`, for a layer with a bias.
pub(super) fn zeros_if(bias: bool, n: i32) -> Result<Option<Array>> {
    bias.then(|| ops::zeros(&[n], Dtype::Float32)).transpose()
}

/// Refuses sizes below 1.
pub(super) fn check_sizes(op: &'static str, sizes: &[(&str, i32)]) -> Result<()> {
    match sizes.iter().find(|(_, n)| *n < 1) {
        None => Ok(()),
        Some((name, n)) => {
            let text = format!("invalid {name} {n}: expected 1 or more");
            Err(Error::invalid(op, text))
        }
    }
}

/// Refuses sizes that are no multiple of the number of parts.
pub(super) fn check_parts(op: &'static str, what: &str, size: i32, parts: i32) -> Result<()> {
    check_sizes(op, &[(what, size), ("number of parts", parts)])?;
    if size % parts == 0 {
        return Ok(());
    }
    let text = format!("cannot divide {size} {what} into {parts} equal parts");
    Err(Error::invalid(op, text))
}

/// Refuses an `eps` that is negative or no finite number.
pub(super) fn check_eps(op: &'static str, eps: f32) -> Result<()> {
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    let text = format!("invalid eps {eps}: expected a finite number of at least 0");
    Err(Error::invalid(op, text))
}
