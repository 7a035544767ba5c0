//! MLX C's `example-closure.c`: functions of arrays, one of which holds an array and fails.
//!
//!     cargo run -p mlx-runtime --example closure

use std::io::Write;

use mlx_runtime::{ops, transforms, Array, Error, ErrorKind};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// A function that adds `value`, unless it is no number.
fn add(value: Array) -> impl Fn(&[Array]) -> mlx_runtime::Result<Vec<Array>> + Send + 'static {
    move |x| {
        if ops::any(&ops::isnan(&value)?, &[], false)?.item::<bool>()? {
            return Err(Error::new(ErrorKind::InvalidArgument, "nan detected"));
        }
        Ok(vec![&x[0] + &value])
    }
}

/// Writes the program's output.
pub fn run(out: &mut dyn Write) -> Result {
    let x = Array::scalar(1f32)?;
    writeln!(out, "x: \n{x}")?;
    let increment = transforms::unary(|x: &Array| Ok(x + 1.0));
    let y = increment.call(std::slice::from_ref(&x))?;
    writeln!(out, "+1: \n{}", y[0])?;
    let two = transforms::custom_function(add(Array::scalar(2f32)?)).build();
    writeln!(out, "+2: \n{}", two.call(std::slice::from_ref(&x))?[0])?;
    let none = transforms::custom_function(add(Array::scalar(f32::NAN)?)).build();
    match none.call(std::slice::from_ref(&x)) {
        Ok(y) => writeln!(out, "+nan: \n{}", y[0])?,
        Err(e) => writeln!(out, "closure failed with: <{e}>")?,
    }
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock())
}
