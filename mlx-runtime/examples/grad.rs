//! MLX C's `example-grad.c`: derivatives forwards and backwards, of a function that holds an array, too.
//!
//!     cargo run -p mlx-runtime --example grad

use std::io::Write;

use mlx_runtime::{transforms, Array};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn increment(x: &[Array]) -> mlx_runtime::Result<Vec<Array>> {
    Ok(vec![&x[0] + 1.0])
}

/// Writes the program's output.
pub fn run(out: &mut dyn Write) -> Result {
    let x = [Array::scalar(1f32)?];
    let mut print = |title: &str, (y, dy): (Vec<Array>, Vec<Array>)| {
        writeln!(out, "{title}:\nout\n{}\ndout\n{}", y[0], dy[0])
    };
    print(
        "jvp",
        transforms::jvp(increment, &x, &[Array::scalar(1f32)?])?,
    )?;
    print(
        "value_and_grad",
        transforms::value_and_grad(increment, &[0]).call(&x)?,
    )?;
    let one = Array::scalar(1f32)?;
    let add = move |x: &[Array]| Ok(vec![&x[0] + &one]);
    let both = transforms::value_and_grad(add, &[0]).call(&x)?;
    print("value_and_grad with payload", both)?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock())
}
