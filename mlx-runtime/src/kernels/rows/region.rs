//! Kernels that the macros make of operations in the middle of a body.
//!
//! Tests: `mlx-tests --test kernels`.

use super::program::dtype;
use super::{call, held, Class, Composed, Kernel};
use crate::kernels::select;
use crate::{Array, Dtype, Result};

/// The size of an axis, of which the definition knows a part; 0 if there is none.
pub fn length(x: &Array, axis: usize) -> i64 {
    x.shape().get(axis).copied().map_or(0, i64::from)
}

/// As [`call`], where arrays of other sizes or types than `shapes` says, such as weights of another dtype, are left to MLX's
/// operations. These are then what the body says: their values are kept for the backward pass, not computed again.
///
/// # Errors
/// If MLX refuses an input.
pub fn region<F: Composed>(
    kernel: &'static Kernel,
    inputs: &[&Array],
    shapes: &[(Class, &[i64])],
    sizes: &[i64],
    numbers: &[f32],
    float: Dtype,
    composed: F,
) -> Result<Vec<Array>> {
    let fits = |(x, (class, shape)): (&&Array, &(Class, &[i64]))| {
        let sizes = x.shape().iter().map(|n| i64::from(*n));
        x.dtype() == dtype(*class, float) && sizes.eq(shape.iter().copied())
    };
    let launched = select::takes_rows(float) && inputs.len() == shapes.len();
    if launched && inputs.iter().zip(shapes).all(fits) {
        return call(kernel, inputs, sizes, numbers, float, composed);
    }
    let inputs: Vec<Array> = inputs.iter().map(|x| (*x).clone()).collect();
    held(kernel.frozen, composed)(&inputs)
}
