//! MLX C's `example-export.c`: functions written to files, with arrays by place and by name.
//!
//!     cargo run -p mlx-runtime --example export

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use mlx_runtime::export::{export_function, export_function_named, import_function};
use mlx_runtime::{Array, Error, ErrorKind};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn increment(x: &[Array]) -> mlx_runtime::Result<Vec<Array>> {
    Ok(vec![&x[0] + 1.0])
}

fn multiply(_: &[Array], by_name: &HashMap<String, Array>) -> mlx_runtime::Result<Vec<Array>> {
    let find = |name: &str| {
        let text = format!("no array is called {name}");
        by_name
            .get(name)
            .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, text))
    };
    Ok(vec![find("x")? * find("y")?])
}

/// Writes the program's output; the files go to `folder`.
pub fn run(out: &mut dyn Write, folder: &Path) -> Result {
    let inc_path = folder.join("inc_func.bin");
    let mul_path = folder.join("mul_func.bin");
    let mut x = Array::scalar(1f32)?;
    writeln!(out, "x: \n{x}")?;

    writeln!(out, "storing inc() function in inc_func.bin file")?;
    export_function(&inc_path, increment, &[x.clone()], false)?;
    writeln!(out, "loading inc() function from inc_func.bin file")?;
    let inc = import_function(&inc_path)?;
    writeln!(out, "evaluating inc() over x")?;
    x = inc.call(&[x])?.swap_remove(0);
    writeln!(out, "+1: \n{x}")?;

    writeln!(out, "evaluating inc() over x with kwargs")?;
    let by_name = HashMap::from([("x".to_owned(), x)]);
    x = inc.call_named(&[], &by_name)?.swap_remove(0);
    writeln!(out, "+1: \n{x}")?;

    writeln!(out, "storing mul() function in mul_func.bin file")?;
    let both = HashMap::from([("x".to_owned(), x.clone()), ("y".to_owned(), x.clone())]);
    export_function_named(&mul_path, multiply, &[], &both, false)?;
    writeln!(out, "loading mul() function from mul_func.bin file")?;
    let mul = import_function(&mul_path)?;
    writeln!(out, "evaluating mul() over x and x with kwargs\nx: \n{x}")?;
    writeln!(out, "3*3: \n{}", mul.call_named(&[], &both)?[0])?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock(), Path::new("."))
}
