//! The host of kernels that `#[mlx_kernel]` generates: rows of arrays in, rows out, as one node of MLX's graph.
//!
//! [`call`] chooses how a kernel runs. What no backend holds is composed of MLX's operations, and so is everything under
//! `vmap`, `jvp`, a second derivative and export.
//!
//! Tests: `mlx-tests --test kernels`.

mod asked;
pub(crate) mod axes;
mod cpu;
pub mod cuda;
mod gpu;
mod gradient;
mod half;
pub mod layout;
pub mod math;
pub mod metal;
mod native;
mod program;
mod random;
pub mod reduce;
mod region;
pub mod text;

pub use crate::model::bind::Class;
pub use cpu::{place, Body, Cpu, Row};
pub use program::{
    at, load, lowest, output, At, Chosen, Cut, Gradient, Kernel, Load, Output, Program, Scalar,
    Size, Source,
};
pub use random::random_bits;
pub use region::{length, region};
pub use text::{Argument, Text};

use crate::kernels::select;
use crate::{context, ops, transforms, Array, Dtype, Result};
use cpu::Job;

/// A kernel's body as MLX's operations.
pub trait Composed: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static {}
impl<F: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static> Composed for F {}

/// The results of a kernel, and behind them what it keeps for its gradient. `sizes` are those that the program names, `numbers` the numbers of the call, `float` is the
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
    let Some(way) = chosen(&kernel.forward, sizes, numbers, float) else {
        return recomputed(composed, &inputs);
    };
    // Only what is recorded for a gradient is differentiated; `vmap` and `jvp` get MLX's operations.
    if !transforms::is_differentiating() {
        return way.run(&inputs);
    }
    let (sizes, numbers) = (sizes.to_vec(), numbers.to_vec());
    let again = composed.clone();
    let backward =
        move |x: &[Array]| asked::gradients(kernel, x, &sizes, &numbers, float, again.clone());
    way.apply(&inputs, composed, backward)
}

/// The result of a function that computes gradients: one array or a tuple of them.
pub trait Gradients {
    /// The arrays.
    fn list(self) -> Vec<Array>;
}

impl Gradients for Array {
    fn list(self) -> Vec<Array> {
        vec![self]
    }
}

/// Tuples with the place of the last array in each.
macro_rules! tuples {
    ($(($($array:ident),*))*) => {$(
        impl Gradients for ($($array,)*) {
            fn list(self) -> Vec<Array> {
                <[Array; 0 $(+ tuples!(@ $array))*]>::from(self).into()
            }
        }
    )*};
    (@ $array:ident) => { 1 };
}

tuples! {
    (Array)
    (Array, Array)
    (Array, Array, Array)
    (Array, Array, Array, Array)
    (Array, Array, Array, Array, Array)
    (Array, Array, Array, Array, Array, Array)
    (Array, Array, Array, Array, Array, Array, Array)
    (Array, Array, Array, Array, Array, Array, Array, Array)
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
        let inputs = kernel.frozen.len();
        let mut grads: Vec<Array> = x[..inputs]
            .iter()
            .map(ops::zeros_like)
            .collect::<Result<_>>()?;
        let given = inputs + kernel.forward.outputs.len();
        for (i, g) in places.iter().zip(vjp(&x[..given])?) {
            grads[*i] = g;
        }
        Ok(grads)
    };
    match chosen(&kernel.forward, sizes, numbers, float) {
        Some(way) => way.apply(&inputs, composed, backward),
        None if !context::is_differentiating() => composed(&inputs),
        None => {
            let whole = move |x: &[Array], by: &[Array], _: &[Array]| backward(&[x, by].concat());
            transforms::custom_vjp(composed, whole).call(&inputs)
        }
    }
}

/// A kernel's operations: as a launch, they keep their inputs alone and are computed again for the gradient.
fn recomputed<F: Composed>(composed: F, inputs: &[Array]) -> Result<Vec<Array>> {
    // MLX has no batches of what makes them wait.
    if !transforms::is_differentiating() || context::is_vectorising() {
        return composed(inputs);
    }
    let again = composed.clone();
    let backward = move |x: &[Array], by: &[Array], _: &[Array]| {
        // Nothing else says that they are not to be computed before the backward pass.
        let x = transforms::depends(&x.iter().collect::<Vec<_>>(), &[&by[0]])?;
        Ok(transforms::vjp(again.clone(), &x, by)?.1)
    };
    transforms::custom_vjp(composed, backward).call(inputs)
}

/// A kernel's operations, where some inputs have no gradient.
fn held<F: Composed>(frozen: &'static [bool], composed: F) -> impl Composed {
    move |x: &[Array]| {
        // MLX refuses to differentiate indices.
        let held = |(x, frozen): (&Array, &bool)| match *frozen || !x.dtype().is_float() {
            true => ops::stop_gradient(x),
            false => Ok(x.clone()),
        };
        let x: Vec<Array> = x.iter().zip(frozen).map(held).collect::<Result<_>>()?;
        composed(&x)
    }
}

/// The way a program runs for a call, other than by MLX's operations.
enum Way {
    Cpu(Job),
    Gpu(gpu::Launch),
}

impl Way {
    /// The shapes that the program writes: a row of each block for sums over rows.
    fn shapes(&self) -> Vec<Vec<i64>> {
        match self {
            Way::Cpu(job) => {
                let outputs = job.program.outputs.iter();
                outputs.map(|o| job.shape(o).collect()).collect()
            }
            Way::Gpu(launch) => launch.shapes(),
        }
    }

    /// The outputs. `composed` computes them by MLX's operations, `backward` the gradients of all inputs from the inputs,
    /// the cotangents and the outputs.
    fn apply<C, B>(self, inputs: &[Array], composed: C, backward: B) -> Result<Vec<Array>>
    where
        C: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
        B: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
    {
        match self {
            Way::Cpu(job) => native::apply(job, inputs, composed, backward),
            Way::Gpu(launch) => launch.apply(inputs, backward),
        }
    }

    /// The outputs, where nothing transforms the call.
    fn run(self, inputs: &[Array]) -> Result<Vec<Array>> {
        match self {
            Way::Cpu(job) => native::run(job, inputs),
            Way::Gpu(launch) => launch.run(inputs),
        }
    }
}

/// The way a program runs for a call: on the device of the current stream, or `None` for MLX's operations.
fn chosen(program: &'static Program, sizes: &[i64], numbers: &[f32], float: Dtype) -> Option<Way> {
    let device = select::rows_on(float)?;
    if device != select::Rows::Cpu {
        return gpu::Launch::new(program, device, sizes, numbers, float).map(Way::Gpu);
    }
    program.cpu.as_ref()?;
    let sizes = program::sizes(program, sizes)?;
    Job::new(program, sizes, numbers.to_vec(), float).map(Way::Cpu)
}
