//! The CPU's gate of a feed-forward block.
//!
//! Tests: `tests/fused_kernels.rs`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Result};

/// silu(g) * u, `[..], [..] -> [..]`: the gate of a feed-forward block (Shazeer,
/// arXiv:2002.05202).
///
/// # Errors
/// If the shapes differ, or something is empty or of another type.
pub fn swiglu(g: &Array, u: &Array) -> Result<Array> {
    build("swiglu", &[g, u], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_swiglu(out, g.as_raw(), u.as_raw(), s) }
    })
}
