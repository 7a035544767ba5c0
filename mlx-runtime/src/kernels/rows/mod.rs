//! The host of kernels that `#[mlx_kernel]` generates: rows of arrays in, rows out, as one node of MLX's graph.
//!
//! [`call`] chooses how a kernel runs. What no backend holds is composed of MLX's operations, and so is everything under
//! `vmap`, `jvp`, a second derivative and export.
//!
//! Tests: `mlx-tests --test kernels`.

mod cpu;
mod half;
pub mod math;
mod native;
mod program;
pub mod reduce;
mod region;

pub use crate::model::bind::Class;
pub use cpu::{place, Body, Cpu, Row};
pub use program::{At, Chosen, Cut, Gradient, Kernel, Load, Output, Program, Scalar, Size, Source};
pub use region::region;

use crate::device::DeviceType;
use crate::{fused, ops, stream, transforms, Array, Dtype, Result};
use cpu::Job;

/// A kernel's body as MLX's operations.
pub trait Composed: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static {}
impl<F: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static> Composed for F {}

/// The outputs of a kernel. `sizes` are those that the program names, `numbers` the numbers of the call, `float` is the
/// dtype of all arrays of that class, and `composed` computes the same by MLX's operations.
///
/// # Errors
/// If MLX refuses an input.
pub fn call<F: Composed>(
    kernel: &'static Kernel,
    inputs: &[&Array],
    sizes: &[i64],
    numbers: &[f32],
    float: Dtype,
    composed: F,
) -> Result<Vec<Array>> {
    let composed = held(kernel.frozen, composed);
    let inputs: Vec<Array> = inputs.iter().map(|x| (*x).clone()).collect();
    let Some(job) = select(&kernel.forward, sizes, numbers, float) else {
        return composed(&inputs);
    };
    let (sizes, numbers) = (sizes.to_vec(), numbers.to_vec());
    let again = composed.clone();
    let backward = move |x: &[Array]| gradients(kernel, x, &sizes, &numbers, float, again.clone());
    native::apply(job, &inputs, composed, backward)
}

/// As [`call`], where `vjp` computes the gradients of the inputs in `places` from the inputs and the cotangents.
///
/// # Errors
/// If MLX refuses an input.
#[allow(clippy::too_many_arguments)] // from generated code
pub fn call_with<F: Composed, V: Composed>(
    kernel: &'static Kernel,
    inputs: &[&Array],
    sizes: &[i64],
    numbers: &[f32],
    float: Dtype,
    composed: F,
    places: &'static [usize],
    vjp: V,
) -> Result<Vec<Array>> {
    let composed = held(kernel.frozen, composed);
    let inputs: Vec<Array> = inputs.iter().map(|x| (*x).clone()).collect();
    let backward = move |x: &[Array]| {
        let mut grads: Vec<Array> = x[..kernel.frozen.len()]
            .iter()
            .map(ops::zeros_like)
            .collect::<Result<_>>()?;
        for (i, g) in places.iter().zip(vjp(x)?) {
            grads[*i] = g;
        }
        Ok(grads)
    };
    match select(&kernel.forward, sizes, numbers, float) {
        Some(job) => native::apply(job, &inputs, composed, backward),
        None if !transforms::is_differentiating() => composed(&inputs),
        None => {
            let whole = move |x: &[Array], by: &[Array], _: &[Array]| backward(&[x, by].concat());
            transforms::custom_vjp(composed, whole).call(&inputs)
        }
    }
}

/// A kernel's operations, where some inputs have no gradient.
fn held<F: Composed>(frozen: &'static [bool], composed: F) -> impl Composed {
    move |x: &[Array]| {
        let held = |(x, frozen): (&Array, &bool)| match frozen {
            true => ops::stop_gradient(x),
            false => Ok(x.clone()),
        };
        let x: Vec<Array> = x.iter().zip(frozen).map(held).collect::<Result<_>>()?;
        composed(&x)
    }
}

/// True if kernels run where the floats are of this dtype, in this thread as it is now.
pub fn available(float: Dtype) -> bool {
    let recorded = fused::is_off() || transforms::is_shapeless() || transforms::is_vectorising();
    let cpu = stream::kind().is_ok_and(|kind| kind == DeviceType::Cpu);
    let held = matches!(float, Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16);
    !recorded && cpu && held && crate::cpu::level().is_some()
}

/// The way a program runs for a call: a job for the CPU, or `None` for MLX's operations.
fn select(program: &'static Program, sizes: &[i64], numbers: &[f32], float: Dtype) -> Option<Job> {
    if !available(float) || program.cpu.is_none() {
        return None;
    }
    Job::new(
        program,
        program::sizes(program, sizes)?,
        numbers.to_vec(),
        float,
    )
}

/// The gradients of all inputs, where `x` are the inputs and then the cotangents.
fn gradients<F: Composed>(
    kernel: &'static Kernel,
    x: &[Array],
    sizes: &[i64],
    numbers: &[f32],
    float: Dtype,
    composed: F,
) -> Result<Vec<Array>> {
    let count = kernel.forward.inputs.len();
    let whole = move |x: &[Array]| {
        let (primals, cotangents) = x.split_at(count);
        Ok(transforms::vjp(composed.clone(), primals, cotangents)?.1)
    };
    let derived = kernel.gradient.as_ref();
    let job = derived.and_then(|g| Some((g, select(&g.program, sizes, numbers, float)?)));
    let Some((gradient, job)) = job else {
        return whole(x);
    };
    let inputs: Vec<Array> = gradient
        .inputs
        .iter()
        .map(|s| match s {
            Source::Input(i) => x[*i].clone(),
            Source::Cotangent(i) => x[count + i].clone(),
        })
        .collect();
    let forms = job.forms();
    // A derivative of the gradient is composed: of all inputs, and in the form of the program's outputs.
    let all = x.to_vec();
    let again = whole.clone();
    let same = move |given: &[Array]| {
        let mut x = all.clone();
        for (s, a) in gradient.inputs.iter().zip(given) {
            match s {
                Source::Input(i) => x[*i] = a.clone(),
                Source::Cotangent(i) => x[count + i] = a.clone(),
            }
        }
        let grads = again(&x)?;
        gradient
            .outputs
            .iter()
            .zip(&forms)
            .map(|((i, axes), form)| in_form(&grads[*i], axes, form))
            .collect::<Result<Vec<Array>>>()
    };
    let backward = {
        let same = same.clone();
        move |x: &[Array]| {
            let (primals, cotangents) = x.split_at(gradient.inputs.len());
            Ok(transforms::vjp(same.clone(), primals, cotangents)?.1)
        }
    };
    let parts = native::apply(job, &inputs, same, backward)?;
    let mut grads: Vec<Option<Array>> = vec![None; count];
    for ((i, axes), part) in gradient.outputs.iter().zip(parts) {
        let like = &x[*i];
        let mut g = part;
        if !axes.is_empty() {
            g = ops::sum(&g, axes, false)?;
        } else if g.shape() != like.shape() {
            g = ops::sum(&g, &[0], false)?;
        }
        if g.shape() != like.shape() {
            g = ops::reshape(&g, like.shape())?;
        }
        grads[*i] = Some(ops::astype(&g, like.dtype())?);
    }
    let filled = grads.into_iter().zip(x);
    filled
        .map(|(g, like)| g.map_or_else(|| ops::zeros_like(like), Ok))
        .collect()
}

/// A gradient as the array that a program writes, of which the host adds up the elements along `axes`: all but the first
/// are zero.
fn in_form(grad: &Array, axes: &[i32], (shape, dtype): &(Vec<i32>, Dtype)) -> Result<Array> {
    let whole = usize::try_from(shape.iter().product::<i32>()).unwrap_or(0);
    let axes: &[i32] = match axes {
        [] if grad.size() != whole => &[0],
        other => other,
    };
    let summed = |i: usize| axes.contains(&i32::try_from(i).unwrap_or(-1));
    let one: Vec<i32> = shape
        .iter()
        .enumerate()
        .map(|(i, n)| if summed(i) { 1 } else { *n })
        .collect();
    let mut all = ops::astype(&ops::reshape(grad, &one)?, *dtype)?;
    for axis in axes {
        let mut rest = all.shape().to_vec();
        let at = usize::try_from(*axis).unwrap_or(0);
        rest[at] = shape[at] - 1;
        if rest[at] > 0 {
            all = ops::concatenate(&[&all, &ops::zeros(&rest, *dtype)?], *axis)?;
        }
    }
    Ok(all)
}
