//! MLX C's `example-graph.c`: a graph in the language of Graphviz, some of its arrays with names.
//!
//!     cargo run -p mlx-runtime --example graph | dot -Tsvg > graph.svg

use std::io::Write;

use mlx_runtime::low_level::graph::{export_to_dot, NodeNamer};
use mlx_runtime::{ops, Array};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Writes the program's output.
pub fn run(out: &mut dyn Write) -> Result {
    let inputs = Array::try_from([[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    let two = Array::scalar(2i32)?;
    let result = ops::log(&ops::divide(&inputs, &two)?)?;
    let mut names = NodeNamer::new()?;
    names.set_name(&inputs, "inputs")?;
    names.set_name(&result, "result")?;
    write!(out, "{}", export_to_dot(&names, &[&inputs, &two, &result])?)?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock())
}
