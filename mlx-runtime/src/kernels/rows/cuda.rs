//! Launches generated kernels on NVIDIA's GPUs.
//!
//! Tests: `mlx-tests --test metal` runs the text on a CPU, `--test metal-text` on a GPU.

use super::layout::Layout;
use super::text::{declared, Call, Dialect, Text};
use crate::kernels::launch::{rows, Kernel};
use crate::kernels::select;
use crate::{Array, Dtype, Result};

/// The most threads of a block. A thread may use 255 registers, and 256 such threads are what a block can have.
pub const THREADS: i32 = 256;

/// Types by the names that Metal's text has for them, and its functions.
const METAL: &str = include_str!("metal_on_cuda.cuh");

/// The outputs of a call; `None` if the launch would be too large.
///
/// # Errors
/// If the text does not compile, or an array is not what it expects.
pub fn launch(text: &Text, call: &Call) -> Option<Result<Vec<Array>>> {
    let layout = call.layout(text, THREADS)?;
    Some(run(text, call, &layout))
}

fn run(text: &Text, call: &Call, layout: &Layout) -> Result<Vec<Array>> {
    let declared = declared(text, call, layout, Dialect::Cuda);
    let kernel = Kernel {
        name: &declared.name,
        inputs: text.inputs,
        outputs: text.outputs,
        header: &[text.header],
        body: &declared.body,
    };
    let mut launch = rows(layout.groups, layout.threads);
    for ((_, name), value) in text.numbers.iter().zip(call.arguments(text, layout)) {
        launch = launch.number(name, value);
    }
    for (shape, dtype) in call.written(layout) {
        launch = launch.output(&shape, dtype);
    }
    kernel.launch(call.inputs, &launch)
}

/// Metal's text on an NVIDIA GPU, with the layout that it has on Apple's: for tests on real hardware.
///
/// # Errors
/// As [`launch`].
pub fn launch_metal(text: &Text, call: &Call) -> Option<Result<Vec<Array>>> {
    let layout = call.layout(text, super::metal::THREADS)?;
    Some(run_metal(text, call, &layout))
}

fn run_metal(text: &Text, call: &Call, layout: &Layout) -> Result<Vec<Array>> {
    let declared = declared(text, call, layout, Dialect::Metal);
    let names: Vec<&str> = text.inputs.iter().copied().chain(["numbers"]).collect();
    let kernel = Kernel {
        name: &declared.name,
        inputs: &names,
        outputs: text.outputs,
        header: &[METAL, text.header],
        body: &declared.body,
    };
    let numbers = call.arguments(text, layout);
    let count = i32::try_from(numbers.len()).unwrap_or(i32::MAX);
    let numbers = Array::from_slice(&numbers, &[count])?;
    let arrays: Vec<&Array> = call.inputs.iter().copied().chain([&numbers]).collect();
    let mut launch = rows(layout.groups, layout.threads);
    for (shape, dtype) in call.written(layout) {
        launch = launch.output(&shape, dtype);
    }
    kernel.launch(&arrays, &launch)
}

/// True if kernels can be launched here.
pub fn is_available() -> bool {
    select::rows_on(Dtype::Float32) == Some(select::Rows::Cuda)
}
