//! One copy of many arrays into one buffer, on the CPU.
//!
//! Tests: `mlx-tests --test optimizer_groups`.

use mlx_sys as sys;

use crate::array::build;
use crate::handles::VectorArray;
use crate::{Array, Result};

/// The elements of arrays of one dtype, each row-major, one array after the other: `[..]` each -> `[n]`. One piece of
/// work for any number of arrays, while [`crate::ops::concatenate`] queues one for each. There is no gradient. On a GPU
/// this is a concatenation; callers on CUDA use a separate kernel instead.
///
/// # Errors
/// If there are no arrays, or their dtypes differ.
pub(super) fn gather(arrays: &[&Array]) -> Result<Array> {
    let list = VectorArray::from_refs("gather", arrays)?;
    build("gather", arrays, |out, s| {
        // SAFETY: the list and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_gather(out, list.as_raw(), s) }
    })
}
