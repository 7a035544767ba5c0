//! Hands a job to MLX as a node of its graph.
//!
//! Tests: `mlx-tests --test kernels`.

use std::ffi::CString;

use mlx_sys as sys;

use super::cpu::Job;
use super::program::{dtype, Output};
use crate::array::build_many;
use crate::handles::VectorArray;
use crate::transforms::closure::Handle;
use crate::{Array, Dtype, Result};

impl Job {
    /// The shape and the dtype of each array that a job writes.
    pub(super) fn forms(&self) -> Vec<(Vec<i32>, Dtype)> {
        let size = |i: &usize| i32::try_from(self.sizes[*i]).unwrap_or(i32::MAX);
        let blocks = i32::try_from(self.parts()).unwrap_or(i32::MAX);
        let form = |o: &Output| match o.at {
            Some(_) => (
                o.shape.iter().map(size).collect(),
                dtype(o.dtype, self.float),
            ),
            None => (vec![blocks, size(&o.width)], Dtype::Float32),
        };
        self.program.outputs.iter().map(form).collect()
    }
}

/// The outputs of a job. `composed` computes them by MLX's operations, `backward` the gradients of all inputs from the
/// inputs and the cotangents.
pub(super) fn apply<C, B>(
    job: Job,
    inputs: &[Array],
    composed: C,
    backward: B,
) -> Result<Vec<Array>>
where
    C: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
    B: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    const OP: &str = "mlx_kernel";
    let (composed, backward) = (Handle::new(composed)?, Handle::new(backward)?);
    let list = VectorArray::new(OP, inputs)?;
    let program = job.program;
    let forms = job.forms();
    let dimensions: Vec<usize> = forms.iter().map(|f| f.0.len()).collect();
    let flat: Vec<i32> = forms.iter().flat_map(|f| f.0.iter().copied()).collect();
    let dtypes: Vec<sys::mlx_dtype> = forms.iter().map(|f| f.1.as_raw()).collect();
    let name = CString::new(program.name).unwrap_or_default();
    let parts = i32::try_from(job.parts()).unwrap_or(i32::MAX);
    let references: Vec<&Array> = inputs.iter().collect();
    build_many(OP, &references, |out, s| {
        let call = sys::mlxrs_rows {
            name: name.as_ptr(),
            payload: Box::into_raw(Box::new(job)).cast(),
            free: Some(Job::free),
            run: Some(Job::run),
            parts,
            sizes: flat.as_ptr(),
            dimensions: dimensions.as_ptr(),
            dtypes: dtypes.as_ptr(),
            outputs: dtypes.len(),
        };
        // SAFETY: list, closures and stream are valid, the lists of sizes are as long as they say, `out` is null, and
        // the payload is given away.
        unsafe {
            sys::mlxrs_rows_apply(
                out,
                list.as_raw(),
                &call,
                composed.as_raw(),
                backward.as_raw(),
                s,
            )
        }
    })
}
