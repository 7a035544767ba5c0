//! The kernel that unpacks packed matrices.
//!
//! Tests: `mlx-models --test native_kernels`.

use super::launch::{pieces, Kernel};
use super::select;
use crate::{Array, Dtype, Result};

const DEQUANTIZE: Kernel = Kernel {
    name: "dequantize",
    inputs: &["w", "scales", "biases"],
    outputs: &["y"],
    header: &[],
    body: include_str!("dequantize.cu"),
};

/// MLX's affine quantisation of a matrix, `w [out, in * bits / 32]`, `scales` and `biases`
/// `[out, in / group_size]` -> `[out, in]` in `dtype`; there is no gradient. With `round` products and
/// sums are first rounded to the dtype of the scales, as MLX's CPU does. `None` unless one kernel does it,
/// for which `bits` is 2, 4 or 8; [`crate::ops::packed::unpack`] composes it.
pub(crate) fn dequantize(
    [w, scales, biases]: [&Array; 3],
    group_size: i32,
    bits: i32,
    dtype: Dtype,
    round: bool,
) -> Option<Result<Array>> {
    let [rows, words] = *w.shape() else {
        return None;
    };
    let fits = matches!(bits, 2 | 4 | 8)
        && select::is_float(dtype)
        && group_size % (32 / bits) == 0
        && w.size() > 0;
    if !fits || !select::on_cuda(scales) {
        return None;
    }
    let call = pieces(w.size())
        .dtype("T", dtype)
        .constant("BITS", bits)
        .constant("GROUP", group_size)
        .dtype("S", scales.dtype())
        .flag("ROUND", round)
        .number("words", rows.saturating_mul(words))
        .output(&[rows, words.checked_mul(32 / bits)?], dtype);
    let out = DEQUANTIZE.launch(&[w, scales, biases], &call);
    Some(out.map(|mut out| out.swap_remove(0)))
}
