//! Vectorises functions.
//!
//! Tests: `tests/transforms.rs`.

use mlx_sys as sys;

use super::closure::{failure, Handle};
use crate::array::settled;
use crate::context::Scope;
use crate::handles::VectorArray;
use crate::stack::deep;
use crate::{Array, Error, Result};

/// A vectorised function, made by [`vmap`].
#[derive(Debug)]
pub struct Vmap {
    function: Result<Handle>,
    in_axes: Vec<Option<i32>>,
    out_axes: Vec<i32>,
}

/// `f`, written for one example, for a batch of them: input `i` has its examples along
/// `in_axes[i]` (`None`: the same for all), output `i` along `out_axes[i]`. Negative axes count
/// from the last. MLX: `vmap`.
///
/// ```
/// use mlx_runtime::{ops, transforms, Array};
/// let dot = |x: &[Array]| Ok(vec![ops::inner(&x[0], &x[1])?]);
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = Array::from_slice(&[10.0f32, 1.0], &[2])?;
/// let rows = transforms::vmap(dot, &[Some(0), None], &[0]).call(&[a, b])?;
/// assert_eq!(rows[0].to_vec::<f32>()?, [12.0, 34.0]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn vmap<F>(f: F, in_axes: &[Option<i32>], out_axes: &[i32]) -> Vmap
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    Vmap {
        function: Handle::new(f),
        in_axes: in_axes.to_vec(),
        out_axes: out_axes.to_vec(),
    }
}

const OP: &str = "vmap";

/// An axis counted from the first, because MLX uses it as an index unchanged.
fn from_first(axis: i32, ndim: usize) -> Result<i32> {
    let n = i32::try_from(ndim).unwrap_or(i32::MAX);
    let counted = if axis < 0 {
        axis.saturating_add(n)
    } else {
        axis
    };
    if (0..n).contains(&counted) {
        return Ok(counted);
    }
    Err(Error::shape(
        OP,
        format!("axis {axis} is out of range for {ndim} axes"),
    ))
}

impl Vmap {
    /// The outputs for a batch.
    ///
    /// # Errors
    /// Returns the error of the function, and an error if it panics, if axes do not exist or differ in size, or if MLX
    /// cannot vectorise an operation.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let function = self.function.as_ref().map_err(Clone::clone)?;
        if self.in_axes.len() != inputs.len() || self.in_axes.iter().all(Option::is_none) {
            let text = format!(
                "expected one axis for each of {1} inputs, found {0:?}",
                self.in_axes,
                inputs.len()
            );
            return Err(
                Error::shape(OP, text).with_hint("give one axis for each, not all of them `None`")
            );
        }
        let mut in_axes = Vec::with_capacity(inputs.len());
        for (input, axis) in inputs.iter().zip(&self.in_axes) {
            // MLX's sign for "none" is -1.
            in_axes.push(axis.map_or(Ok(-1), |axis| from_first(axis, input.ndim()))?);
        }
        let list = VectorArray::new(OP, inputs)?;
        let _within = Scope::vectorising();
        let _reading = crate::lock::reading();
        let (mut traced, mut outputs) = (VectorArray::null(), VectorArray::null());
        let (at, n) = (in_axes.as_ptr(), in_axes.len());
        // SAFETY: function and lists are valid, both destinations null.
        let status = deep(|| unsafe {
            sys::mlx_detail_vmap_trace(
                traced.as_out(),
                outputs.as_out(),
                function.as_raw(),
                list.as_raw(),
                at,
                n,
            )
        });
        if status != 0 {
            return Err(failure(OP, inputs));
        }
        let recorded = outputs.to_vec(OP)?;
        if recorded.len() != self.out_axes.len() {
            let text = format!(
                "expected one axis for each of {1} outputs, found {0:?}",
                self.out_axes,
                recorded.len()
            );
            return Err(Error::shape(OP, text));
        }
        let pairs = recorded.iter().zip(&self.out_axes);
        let out_axes: Vec<i32> = pairs
            .map(|(output, &axis)| from_first(axis, output.ndim() + 1))
            .collect::<Result<_>>()?;
        let batch = inputs.iter().zip(&in_axes).find(|(_, axis)| **axis >= 0);
        let batch = batch.map_or(0, |(input, axis)| input.shape()[*axis as usize]);
        if batch == 0 {
            // No example is computed, so only the shapes are known.
            let empty = recorded.iter().zip(&out_axes).map(|(output, &axis)| {
                let mut shape = output.shape().to_vec();
                shape.insert(axis as usize, 0);
                Array::empty(&shape, output.dtype())
            });
            return empty.collect();
        }
        let mut made = VectorArray::null();
        // SAFETY: the lists are valid and of the lengths that are expected, the axes within the
        // arrays, the destination null.
        let status = deep(|| unsafe {
            sys::mlxrs_vmap_replace(
                made.as_out(),
                list.as_raw(),
                traced.as_raw(),
                outputs.as_raw(),
                at,
                out_axes.as_ptr(),
            )
        });
        if status != 0 {
            return Err(failure(OP, inputs));
        }
        settled(made.to_vec(OP)?)
    }
}
