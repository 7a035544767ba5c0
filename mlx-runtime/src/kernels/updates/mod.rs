//! The updates of optimisers: a launch for each buffer of parameters, whatever its tensors are.
//!
//! They take float32. MLX's optimisers round half types after each operation, and so does what the optimisers compose
//! there: an average of squares in bfloat16 never decays, for its rate is 1 once it is rounded.
//!
//! Tests: `mlx-tests --test parity_optim`, `mlx-models --test native_kernels`.

pub(crate) mod adafactor;
pub(crate) mod adam;
pub(crate) mod lion;
pub(crate) mod muon;
pub(crate) mod sgd;

use super::select;
use crate::{ops, transforms, Array, Dtype, Result};

/// True if kernels take these buffers, which lie alike, and these numbers, and nothing is differentiated.
fn fits(buffers: &[&Array], numbers: &[&Array]) -> bool {
    let [first, ..] = buffers else { return false };
    let alike = |a: &&Array| a.dtype() == Dtype::Float32 && a.shape() == first.shape();
    let one = |a: &&Array| a.dtype() == Dtype::Float32 && a.size() == 1;
    buffers.iter().all(alike)
        && numbers.iter().all(one)
        && !transforms::is_differentiating()
        && select::rows_anywhere(&[first])
}

/// As one row.
fn flat(a: &Array) -> Result<Array> {
    match a.ndim() {
        1 => Ok(a.clone()),
        _ => ops::reshape(a, &[-1]),
    }
}

/// In the shape of a buffer.
fn shaped(a: Array, like: &Array) -> Result<Array> {
    match like.ndim() {
        1 => Ok(a),
        _ => ops::reshape(&a, like.shape()),
    }
}
