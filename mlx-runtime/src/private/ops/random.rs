//! Random numbers from a key, which is a uint32 array of two.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

use crate::random::{self, Key};
use crate::{Array, Dtype, Result};

/// uint32.
pub fn random_bits(shape: &[i32], key: &Array) -> Result<Array> {
    random::bits(shape, 4, &Key::from_array(key.clone())?)
}

/// True with probability `p`.
pub fn random_bernoulli(p: f32, shape: &[i32], key: &Array) -> Result<Array> {
    let key = Key::from_array(key.clone())?;
    random::bernoulli(&Array::scalar(p)?, shape, &key)
}

/// float32, equally distributed in `[low, high)`.
pub fn random_uniform(low: f32, high: f32, shape: &[i32], key: &Array) -> Result<Array> {
    let key = Key::from_array(key.clone())?;
    let (low, high) = (Array::scalar(low)?, Array::scalar(high)?);
    random::uniform(&low, &high, shape, Dtype::Float32, &key)
}
