//! Random zeros (Srivastava et al. 2014): one launch forward, and one back that draws the same zeros from the key again.
//!
//! Tests: `mlx-tests --test kernels`.

use mlx_macros::mlx_kernel;

use super::rows::axes::{as_before, three};
use super::select;
use crate::random::{self, Key};
use crate::{ops, Array, Result};

#[mlx_kernel]
fn dropped(x: Tensor![B, L, D], key: Tensor![2; u32], keep: f32) -> Tensor![B, L, D] {
    x * astype(random::bernoulli(keep, [B, L, D], key), float) * (1.0 / keep)
}

/// `x / keep` with probability `keep`, else zero, `[..] -> [..]`.
///
/// # Errors
/// The error that MLX reports.
pub fn dropout(x: &Array, keep: f32, key: &Key) -> Result<Array> {
    if x.ndim() > 0 && select::is_float(x.dtype()) {
        let y = dropped(&three(x)?, key.as_array(), keep)?;
        return as_before(y, x);
    }
    let kept = random::bernoulli(&Array::scalar(keep)?, x.shape(), key)?;
    let by = Array::scalar(1.0 / keep)?;
    ops::multiply(&ops::multiply(&kept, x)?, &by)
}
