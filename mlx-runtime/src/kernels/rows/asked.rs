//! Computes those gradients of a kernel that are asked for: a frozen weight's sum over all rows is not one of them.
//!
//! Tests: `mlx-tests --test kernels`.

use mlx_sys as sys;

use super::gradient::derived;
use super::{Composed, Gradient, Kernel};
use crate::{Array, Dtype, Result};

/// For each of the inputs, true if its gradient is asked for; `None` where that is not known.
pub(super) fn asked(inputs: usize) -> Option<Vec<bool>> {
    let mut all = vec![0; inputs];
    // SAFETY: the list has that many places.
    let known = unsafe { sys::mlxrs_asked(all.as_mut_ptr(), all.len()) };
    (known != 0).then(|| all.into_iter().map(|n| n != 0).collect())
}

/// The gradients of all inputs, where `x` are the inputs, the cotangents and the outputs.
pub(super) fn gradients<F: Composed>(
    kernel: &'static Kernel,
    x: &[Array],
    sizes: &[i64],
    numbers: &[f32],
    float: Dtype,
    composed: F,
) -> Result<Vec<Array>> {
    let of = |gradient: Option<&'static Gradient>, composed: F| {
        derived(kernel, gradient, x, sizes, numbers, float, composed)
    };
    let whole = kernel.gradient.as_ref();
    let gives = |g: &Gradient, i: usize| g.outputs.iter().any(|(of, _)| of.contains(&i));
    let covers = |narrow: &&Gradient| {
        let asked = asked(kernel.forward.inputs.len());
        let missing = |i: usize| whole.is_some_and(|w| gives(w, i)) && !gives(narrow, i);
        asked.is_some_and(|asked| (0..asked.len()).all(|i| !asked[i] || !missing(i)))
    };
    let Some(narrow) = kernel.narrow.as_ref().filter(covers) else {
        return of(whole, composed);
    };
    let mut grads = of(Some(narrow), composed.clone())?;
    // The others are right as well; as nothing reads them, they are not computed.
    for (i, g) in of(whole, composed)?.into_iter().enumerate() {
        if !gives(narrow, i) {
            grads[i] = g;
        }
    }
    Ok(grads)
}
