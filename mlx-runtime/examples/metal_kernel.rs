//! MLX C's `example-metal-kernel.c`: an operation in Metal's own language. It needs a Mac.
//!
//!     cargo run -p mlx-runtime --example metal_kernel

use std::io::Write;

use mlx_runtime::ops::fast::{KernelCall, MetalKernel};
use mlx_runtime::{random, Array, Dtype};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn exp(x: &Array) -> mlx_runtime::Result<Array> {
    let source = "
        uint elem = thread_position_in_grid.x;
        T tmp = inp[elem];
        out[elem] = metal::exp(tmp);
    ";
    let kernel = MetalKernel::new("myexp", &["inp"], &["out"], source).build()?;
    let call = KernelCall::new()
        .template_dtype("T", Dtype::Float32)
        .grid(i32::try_from(x.size()).unwrap_or(i32::MAX), 1, 1)
        .threads(256, 1, 1)
        .output(x.shape(), x.dtype());
    Ok(kernel.call(&[x], &call)?.swap_remove(0))
}

/// Writes the program's output.
pub fn run(out: &mut dyn Write) -> Result {
    let x = random::normal(&[4, 16], Dtype::Float32, 0.0, 1.0, None)?;
    let y = exp(&x)?;
    writeln!(out, "input\n{x}\noutput\n{y}")?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock())
}
