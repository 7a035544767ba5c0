//! Hands a job to MLX as a node of its graph.
//!
//! Tests: `mlx-tests --test kernels`.

use std::ffi::CString;
use std::ptr::null_mut;

use mlx_sys as sys;

use super::cpu::Job;
use super::program::dtype;
use crate::array::build_many;
use crate::handles::VectorArray;
use crate::transforms::closure::Handle;
use crate::{transforms, Array, Error, Result};

const OP: &str = "mlx_kernel";

/// The outputs of a job. `composed` computes them by MLX's operations, `backward` the gradients of all inputs from the
/// inputs, the cotangents and the outputs.
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
    // Only what is recorded for a gradient is differentiated; `vmap` and `jvp` get MLX's operations.
    if !transforms::is_differentiating() {
        return run(job, inputs);
    }
    let (composed, backward) = (Handle::new(composed)?, Handle::new(backward)?);
    recorded(job, inputs, composed.as_raw(), backward.as_raw())
}

/// The outputs of a job, where nothing transforms the call.
pub(super) fn run(job: Job, inputs: &[Array]) -> Result<Vec<Array>> {
    let none = sys::mlx_closure { ctx: null_mut() };
    recorded(job, inputs, none, none)
}

fn recorded(
    job: Job,
    inputs: &[Array],
    composed: sys::mlx_closure,
    backward: sys::mlx_closure,
) -> Result<Vec<Array>> {
    let list = VectorArray::new(OP, inputs)?;
    let program = job.program;
    let shapes = job.shapes();
    let dimensions: Vec<usize> = shapes.iter().map(Vec::len).collect();
    let shape = |n: &i64| {
        i32::try_from(*n)
            .map_err(|_| Error::invalid(OP, format!("a size of {n} is more than MLX can count")))
    };
    let flat: Vec<i32> = shapes.iter().flatten().map(shape).collect::<Result<_>>()?;
    let dtypes: Vec<sys::mlx_dtype> = program
        .outputs
        .iter()
        .map(|o| match o.at {
            Some(_) => dtype(o.dtype, job.float).as_raw(),
            None => crate::Dtype::Float32.as_raw(),
        })
        .collect();
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
        // SAFETY: list and stream are valid, closures valid or empty, the lists of sizes as long as they say, `out` is null,
        // and the payload is given away.
        unsafe { sys::mlxrs_rows_apply(out, list.as_raw(), &call, composed, backward, s) }
    })
}
