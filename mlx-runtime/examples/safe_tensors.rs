//! MLX C's `example-safe-tensors.c`: a file read, written to memory and read from there, through
//! any reader and writer.
//!
//!     cargo run -p mlx-runtime --example safe_tensors FILE

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::Path;

use mlx_runtime::io::{load_safetensors, load_safetensors_from, save_safetensors_to};
use mlx_runtime::Array;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn sorted(arrays: HashMap<String, Array>) -> Vec<(String, Array)> {
    let mut all: Vec<_> = arrays.into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn print(out: &mut dyn Write, arrays: &[(String, Array)]) -> std::io::Result<()> {
    arrays
        .iter()
        .try_for_each(|(name, a)| writeln!(out, "{name}\n{a}"))
}

/// Writes the program's output.
pub fn run(out: &mut dyn Write, path: &Path) -> Result {
    writeln!(out, "load data from disk:")?;
    let (arrays, metadata) = load_safetensors(path)?;
    let arrays = sorted(arrays);
    print(out, &arrays)?;

    writeln!(out, "attempting to write arrays in a memory stream")?;
    let memory = save_safetensors_to(Cursor::new(Vec::new()), &arrays, &metadata)?;
    writeln!(
        out,
        "position in memory stream: {} err flag: 0",
        memory.position()
    )?;
    write!(out, "data in memory stream: ")?;
    out.write_all(memory.get_ref())?;
    writeln!(out)?;

    writeln!(out, "attempting to read from memory")?;
    let (arrays, _) = load_safetensors_from(memory)?;
    writeln!(out, "now the arrays (lazily evaluated):")?;
    print(out, &sorted(arrays))?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    let path = std::env::args_os().nth(1).ok_or("which file?")?;
    run(&mut std::io::stdout().lock(), Path::new(&path))
}
