//! `mlx-runtime/src/explain/table.rs`: the C calls behind each operation of the language.
//!
//! The calls are read off the runtime's functions that generated code calls, through all functions
//! that these call in turn.
//!
//! Tests: `tests/current.rs`.

mod names;
mod scan;

use std::path::Path;

use anyhow::{ensure, Context, Result};

use crate::File;

use names::Asked;
use scan::{Calls, Sources};

/// The line after which the rows begin.
const START: &str = "table! {\n";

/// Rows besides operations: a layer in one of its states, or an operation that a pass makes.
/// The states are chosen in `explain/calls.rs`.
const LAYERS: &[(&str, &str, &str)] = &[
    ("cache.keep", "", ""),
    ("cache.state", "mlx_zeros", ""),
    ("cache.update", "mlx_concatenate_axis mlx_concatenate_axis", ""),
    ("layer bias", "mlx_add", ""),
    ("layer dequantized_linear", "mlx_dequantize mlx_astype mlx_transpose_axes mlx_matmul", ""),
    ("layer embedding", "mlx_clip mlx_take_axis", ""),
    ("layer group_norm", "mlx_reshape mlx_var_axes mlx_add mlx_rsqrt mlx_mean_axes mlx_subtract mlx_multiply mlx_reshape mlx_multiply mlx_add", ""),
    ("layer joined_adapters", "mlx_concatenate_axis mlx_astype mlx_matmul mlx_astype mlx_multiply mlx_split_sections", ""),
    ("layer joined_linear", "mlx_transpose_axes mlx_matmul mlx_split_sections", ""),
    ("layer linear", "mlx_transpose_axes mlx_matmul", ""),
    ("layer lora", "mlx_astype mlx_matmul mlx_astype mlx_multiply mlx_astype mlx_addmm", ""),
    ("layer lora_after", "mlx_astype mlx_addmm", ""),
    ("layer quantized_embedding", "mlx_clip mlx_take_axis mlx_clip mlx_take_axis mlx_clip mlx_take_axis mlx_dequantize mlx_astype", ""),
    ("layer quantized_linear", "mlx_quantized_matmul", ""),
    ("layer rope", "mlx_fast_rope", ""),
    ("layer switch_linear", "mlx_swapaxes mlx_clip mlx_gather_mm", ""),
    (
        "layer switch_lora",
        "mlx_astype mlx_swapaxes mlx_clip mlx_gather_mm mlx_astype mlx_multiply mlx_astype mlx_swapaxes mlx_clip mlx_gather_mm mlx_add",
        "",
    ),
    (
        "linear_cross_entropy",
        "mlx_reshape mlx_reshape mlx_slice mlx_slice mlx_transpose_axes mlx_matmul mlx_astype mlx_expand_dims_axes mlx_take_along_axis mlx_logsumexp_axes mlx_squeeze_axes mlx_subtract mlx_concatenate_axis mlx_reshape mlx_multiply",
        "mlxrs_linear_cross_entropy",
    ),
    (
        "rope_attention",
        "mlx_contiguous mlx_reshape mlx_transpose_axes mlx_fast_rope mlx_contiguous mlx_reshape mlx_transpose_axes mlx_fast_rope mlx_contiguous mlx_reshape mlx_transpose_axes mlx_fast_scaled_dot_product_attention mlx_transpose_axes mlx_reshape",
        "mlxrs_rope_attention",
    ),
];

fn row(name: &str, plain: &Calls, ours: &Calls) -> String {
    let list = |calls: &Calls| {
        let calls: Vec<String> = calls.iter().map(|c| c.join(" | ")).collect();
        calls.join(", ")
    };
    format!("    {name:?} => [{}] or [{}];\n", list(plain), list(ours))
}

/// The table, after a check that every name that is asked for has a row, and every row is asked for.
pub fn file(root: &Path) -> Result<File> {
    let sources = Sources::read(&root.join("mlx-runtime/src"))?;
    let asked = Asked::read(root)?;
    let language = mlx_macros_core::ops::OPS.iter().map(|op| op.name);
    let language: Vec<&str> = language
        .chain(asked.made.iter().map(String::as_str))
        .collect();
    let mut rows = Vec::new();
    for function in sources.operations() {
        let of = |name: &&&str| name.replace("::", "_") == function;
        let Some(name) = language.iter().find(of) else {
            continue;
        };
        let (plain, ours) = (
            sources.calls(&function, false),
            sources.calls(&function, true),
        );
        ensure!(!plain.is_empty(), "{name} calls nothing");
        let ours = if ours == plain { Calls::new() } else { ours };
        rows.push((name.to_string(), row(name, &plain, &ours)));
    }
    let known = &sources.reachable("nn") | &sources.reachable("kernels");
    for (name, plain, ours) in LAYERS {
        let split =
            |s: &str| -> Calls { s.split_whitespace().map(|c| vec![c.to_string()]).collect() };
        for c in split(plain).concat().iter().chain(&split(ours).concat()) {
            ensure!(known.contains(c), "{name}: no layer or kernel calls {c}");
        }
        rows.push((name.to_string(), row(name, &split(plain), &split(ours))));
    }
    for name in language
        .iter()
        .copied()
        .chain(asked.all.iter().map(String::as_str))
    {
        ensure!(
            rows.iter().any(|(n, _)| n == name),
            "{name} has no function in the runtime, and no row here"
        );
    }
    for (name, ..) in LAYERS {
        ensure!(asked.all.contains(*name), "nothing asks for the row {name}");
    }
    rows.sort();
    let path = "mlx-runtime/src/explain/table.rs";
    let committed = std::fs::read_to_string(root.join(path)).context(path)?;
    let head = committed
        .find(START)
        .map(|at| &committed[..at + START.len()])
        .with_context(|| format!("{path} has no line {START:?}"))?;
    let body: String = rows.into_iter().map(|(_, row)| row).collect();
    Ok(File {
        path: path.into(),
        text: format!("{head}{body}}}\n"),
    })
}
