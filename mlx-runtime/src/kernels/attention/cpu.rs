//! The CPU's rotation and causal attention.
//!
//! Tests: `tests/fused_kernels.rs`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Result};

/// Rotary embedding of queries and keys, and causal attention of the rows to each other:
/// q `[B, L, H * D]`, k and v `[B, L, K * D]`, freqs `[D / 2]` -> `[B, L, H * D]`.
///
/// `D` is `head_dim`, even; `H` is a multiple of `K`, and neighbouring query heads share a key head. Pair `j` of row
/// `i` turns by `(i + offset) * freqs[j]`: `freqs` holds angles per position, the inverse of the periods that
/// [`crate::ops::fast::rope`] takes. `traditional` pairs neighbouring features, else the two halves. No keys from
/// before are seen, whatever the offset. Memory grows with `L`, not with its square. `freqs` is a constant: its
/// gradient is 0.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type.
#[allow(clippy::too_many_arguments)] // as in C
pub fn rope_attention(
    q: &Array,
    k: &Array,
    v: &Array,
    freqs: &Array,
    head_dim: i32,
    traditional: bool,
    scale: f32,
    offset: i32,
) -> Result<Array> {
    build("rope_attention", &[q, k, v, freqs], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            sys::mlxrs_rope_attention(
                out,
                q.as_raw(),
                k.as_raw(),
                v.as_raw(),
                freqs.as_raw(),
                head_dim,
                traditional,
                scale,
                offset,
                s,
            )
        }
    })
}
