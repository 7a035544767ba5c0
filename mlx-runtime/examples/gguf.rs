//! MLX C's `example-gguf.c`: the arrays and the metadata of a GGUF file.
//!
//!     cargo run -p mlx-runtime --example gguf [FILE]

use std::io::Write;
use std::path::Path;

use mlx_runtime::io::{load_gguf, GgufFile, GgufValue};
use mlx_runtime::{ops, Dtype};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Writes a small file.
pub fn make(path: &Path) -> Result {
    let mut file = GgufFile::new()?;
    file.set_array("array3D", &ops::zeros(&[3, 4, 5], Dtype::Float16)?)?;
    file.set_array("array2D", &ops::zeros(&[6, 7], Dtype::Float32)?)?;
    file.set_text("array2D", "a 6x7 zero array")?;
    file.save(path)?;
    Ok(())
}

/// Writes the program's output about a file.
pub fn run(out: &mut dyn Write, path: &Path) -> Result {
    let file = load_gguf(path)?;
    let mut names: Vec<&String> = file.arrays.keys().collect();
    names.sort();
    for name in names {
        let a = &file.arrays[name];
        let sizes: Vec<String> = a.shape().iter().map(i32::to_string).collect();
        let dtype = a.dtype().name().to_uppercase();
        let kind = match file.metadata.get(name) {
            None => "",
            Some(GgufValue::Text(_)) => " [string]",
            Some(value) if value.as_texts().is_some() => " [vector string]",
            Some(_) => " [array]",
        };
        writeln!(out, "{name} {} MLX_{dtype}{kind}", sizes.join("x"))?;
    }
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    let mut out = std::io::stdout().lock();
    match std::env::args_os().nth(1) {
        Some(file) => run(&mut out, Path::new(&file)),
        None => {
            let path = Path::new("test.gguf");
            make(path)?;
            run(&mut out, path)
        }
    }
}
