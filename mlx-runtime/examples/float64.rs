//! MLX C's `example-float64.c`: double precision, which a CPU has.
//!
//!     cargo run -p mlx-runtime --example float64

use std::io::Write;

use mlx_runtime::device::{with_default, Device};
use mlx_runtime::{ops, Array, Dtype};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Writes the program's output.
pub fn run(out: &mut dyn Write) -> Result {
    with_default(Device::cpu(), || {
        let a = Array::try_from([[1f64, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
        writeln!(out, "hello world in float64!\n{a}")?;
        let three = Array::scalar(3f64)?;
        writeln!(out, "a float64 scalar array\n{three}")?;
        let a = &a * &three;
        writeln!(out, "multiply previous array by 3!\n{a}")?;
        writeln!(out, "divive by 2 (integer)\n{}", &a / 2)?;
        let range = ops::arange(0.0, 3.0, 0.5, Dtype::Float64)?;
        Ok(writeln!(out, "arange\n{range}")?)
    })?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock())
}
