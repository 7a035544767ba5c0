//! Numbers beside arrays, typed weakly.
//!
//! Tests: `tests/layers.rs`.

use crate::ops::{add, multiply};
use crate::{Array, Dtype, Result};

/// A number beside `like`: in its dtype, except that beside whole numbers a fraction is float32, and that beside truth
/// values a whole number is int32.
pub(crate) fn number(value: f64, like: &Array) -> Result<Array> {
    match like.dtype() {
        Dtype::Float64 => Array::scalar_as(value, Dtype::Float64),
        dtype if dtype.is_float() => crate::__private::weak(value, like),
        dtype => crate::array::weak(value, dtype),
    }
}

/// `value * a`.
pub(crate) fn scaled(value: f64, a: &Array) -> Result<Array> {
    multiply(a, &number(value, a)?)
}

/// `a + value`.
pub(crate) fn shifted(a: &Array, value: f64) -> Result<Array> {
    add(a, &number(value, a)?)
}
