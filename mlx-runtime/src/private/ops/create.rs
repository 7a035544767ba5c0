//! Arrays from sizes.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

use crate::{ops, Array, Dtype, Error, Result};

/// `vals` everywhere.
pub fn full(shape: &[i32], vals: f64, dtype: Dtype) -> Result<Array> {
    // float32 holds whole numbers up to 2^24 only.
    let vals = match dtype {
        Dtype::Int32 => Array::scalar(vals as i32)?,
        Dtype::Uint32 => Array::scalar(vals as u32)?,
        _ => Array::scalar(vals as f32)?,
    };
    ops::full(shape, &vals, dtype)
}

/// From `start` to before `stop`; one size alone is `stop`. Steps that lead away from it are an
/// error: the result's size would be negative.
pub fn arange(start: i32, stop: Option<i32>, step: i32, dtype: Dtype) -> Result<Array> {
    let (start, stop) = match stop {
        None => (0, start),
        Some(stop) => (start, stop),
    };
    let backwards = if step < 0 { stop > start } else { stop < start };
    if step == 0 || backwards {
        let text = format!("steps of {step} from {start} do not lead to {stop}");
        return Err(Error::invalid("arange", text));
    }
    ops::arange(f64::from(start), f64::from(stop), f64::from(step), dtype)
}

/// `num` values from `start` to `stop`.
pub fn linspace(start: f32, stop: f32, num: i32, dtype: Dtype) -> Result<Array> {
    ops::linspace(f64::from(start), f64::from(stop), num, dtype)
}

/// Ones on the `k`-th diagonal.
pub fn eye(n: i32, m: Option<i32>, k: i32, dtype: Dtype) -> Result<Array> {
    ops::eye(n, m.unwrap_or(n), k, dtype)
}

/// Ones at and below the `k`-th diagonal.
pub fn tri(n: i32, m: Option<i32>, k: i32, dtype: Dtype) -> Result<Array> {
    ops::tri(n, m.unwrap_or(n), k, dtype)
}
