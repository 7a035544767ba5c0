//! Launches generated kernels on Apple's GPUs, by `mx.fast.metal_kernel`.
//!
//! Tests: `mlx-tests --test metal` compiles and runs the text without a Mac.

use super::layout::Layout;
use super::text::{declared, Call, Dialect, Text};
use crate::ops::fast::{KernelCall, MetalKernel};
use crate::{ops, Array, Error, Result};

const OP: &str = "metal_kernel";

/// The most threads of a group. A pipeline that needs many registers takes fewer threads than 1024, and MLX refuses a larger group.
pub const THREADS: i32 = 256;

/// The outputs of a call; `None` if the launch would be too large.
///
/// # Errors
/// If the current stream is not on a GPU, or an array is not what the text expects.
pub fn launch(text: &Text, call: &Call) -> Option<Result<Vec<Array>>> {
    let layout = call.layout(text, THREADS)?;
    Some(run(text, call, &layout))
}

fn run(text: &Text, call: &Call, layout: &Layout) -> Result<Vec<Array>> {
    if call.inputs.len() != text.inputs.len() || call.outputs.len() != text.outputs.len() {
        let message = format!("{}: other arrays than the kernel has", text.name);
        return Err(Error::invalid(OP, message));
    }
    let declared = declared(text, call, layout, Dialect::Metal);
    let names: Vec<&str> = text.inputs.iter().copied().chain(["numbers"]).collect();
    // MLX keeps what Metal compiled by this name.
    let kernel = MetalKernel::new(&declared.name, &names, text.outputs, &declared.body)
        .header(text.header)
        .build()?;
    let mut arrays = Vec::new();
    for input in call.inputs {
        // MLX passes an array without dimensions as a reference, which has no elements.
        arrays.push(match input.ndim() {
            0 => ops::reshape(input, &[1])?,
            _ => (*input).clone(),
        });
    }
    let numbers = call.arguments(text, layout);
    let count = i32::try_from(numbers.len()).unwrap_or(i32::MAX);
    arrays.push(Array::from_slice(&numbers, &[count])?);
    let written = call.written(layout);
    let mut launch = KernelCall::new()
        .grid(layout.groups * layout.threads, 1, 1)
        .threads(layout.threads, 1, 1);
    for (shape, dtype) in &written {
        launch = launch.output(shape, *dtype);
    }
    let list: Vec<&Array> = arrays.iter().collect();
    kernel.call(&list, &launch)
}
