//! Copies many arrays into one buffer.
//!
//! Tests: `mlx-tests --test optimizer_groups`, `mlx-models --test native_kernels`.

mod cpu;
mod cuda;

use super::select;
use crate::{Array, Result};

/// The elements of arrays of one dtype, each row-major, one array after the other: `[..]` each -> `[n]`. There is no gradient.
///
/// # Errors
/// If there are no arrays, or their dtypes differ.
pub(crate) fn gather(arrays: &[&Array]) -> Result<Array> {
    match arrays.first().is_some_and(|a| select::on_cuda(a)) {
        true => cuda::gather(arrays),
        false => cpu::gather(arrays),
    }
}
