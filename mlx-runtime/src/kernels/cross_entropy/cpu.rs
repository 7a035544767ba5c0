//! The CPU's cross entropy of a projection.
//!
//! Tests: `tests/fused_kernels.rs`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Result};

/// weights\[i\] * (logsumexp(z\[i\]) - z\[i\]\[targets\[i\]\]) of the logits z = x @ w.T:
/// x `[.., d]`, w `[V, d]`, targets `[..]` (integers of at most 32 bits), weights `[..]` -> `[..]`.
///
/// The logits never exist whole. Rows of weight 0 cost nothing, and their loss and gradient are 0
/// whatever else they hold. A target outside `0..V` makes its row NaN. With `with_grad` the
/// gradient with respect to `x` is computed along with the value; there is no other gradient.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type. Differentiating
/// with respect to anything but `x`, or without `with_grad`, is an error of the transform.
pub fn linear_cross_entropy(
    x: &Array,
    w: &Array,
    targets: &Array,
    weights: &Array,
    with_grad: bool,
) -> Result<Array> {
    let inputs = [x, w, targets, weights];
    build("linear_cross_entropy", &inputs, |out, s| {
        let [x, w, targets, weights] = inputs.map(Array::as_raw);
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_linear_cross_entropy(out, x, w, targets, weights, with_grad, s) }
    })
}
