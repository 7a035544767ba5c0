//! Has arrays read by this project's native code.
//!
//! Tests: `tests/no_threads.rs`, `tests/pipes.rs`.

use mlx_sys as sys;

use crate::error::check;
use crate::handles::VectorArray;
use crate::lock::graph_lock;
use crate::{Array, Result};

/// Replaces the reads of MLX in `arrays`, which no other thread has: a pool of MLX's threads ends the process if one of
/// them cannot be started.
pub(crate) fn own<'a>(op: &'static str, arrays: impl IntoIterator<Item = &'a Array>) -> Result<()> {
    let list = VectorArray::from_refs(op, &arrays.into_iter().collect::<Vec<_>>())?;
    let _lock = graph_lock();
    // SAFETY: the list is valid; no other thread evaluates.
    check(op, unsafe { sys::mlxrs_own_reads(list.as_raw()) })
}
