//! `mlx-runtime/COVERAGE.md`: every function of MLX C beside an item of mlx-runtime that calls it.
//!
//! The functions come from the bindings, their headers from MLX C's folder, the callers from
//! mlx-runtime's sources, which syn reads.
//!
//! Tests: `tests/current.rs`.

mod callers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{ensure, Result};

use crate::File;

/// Functions that the runtime does not call, with the reasons.
const LEFT_OUT: &[(&str, &str)] = &[
    ("_mlx_error", "for C code that reports an error of its own; it takes a printf format"),
    ("mlx_array_data_bfloat16", "declared only where the C compiler has the type; the bytes are read with `mlx_array_data_uint16`"),
    ("mlx_array_data_float16", "as `mlx_array_data_bfloat16`"),
    ("mlx_array_item_bfloat16", "declared only where the C compiler has the type; the value is read with `mlx_array_data_uint16`"),
    ("mlx_array_item_float16", "as `mlx_array_item_bfloat16`"),
    ("mlx_array_new_double", "another name of `mlx_array_new_float64`"),
    ("mlx_array_new_float", "another name of `mlx_array_new_float32`"),
    ("mlx_array_set_double", "another name of `mlx_array_set_float64`"),
    ("mlx_array_set_float", "another name of `mlx_array_set_float32`"),
    ("mlx_array_eval", "`mlxrs_array_eval` computes an array, and keeps the error of one that fails"),
    ("mlx_checkpoint", "`mlxrs_checkpoint` is the same with this library's rules of derivatives"),
    ("mlx_closure_new_func", "a closure's payload also keeps two threads apart that call it at once"),
    ("mlx_closure_new_unary", "as `mlx_closure_new_func`"),
    ("mlx_closure_kwargs_new_func", "as `mlx_closure_new_func`"),
    ("mlx_closure_custom_new_func", "as `mlx_closure_new_func`"),
    ("mlx_closure_custom_jvp_new_func", "as `mlx_closure_new_func`"),
    ("mlx_closure_custom_vmap_new_func", "as `mlx_closure_new_func`"),
    ("mlx_closure_value_and_grad_new_func", "as `mlx_closure_new_func`"),
    ("mlx_detail_vmap_replace", "`mlxrs_vmap_replace` is the same with this library's rules of batches"),
    ("mlx_eval", "`mlxrs_eval` computes arrays, and keeps the error of those that fail"),
    ("mlx_async_eval", "as `mlx_eval`, by `mlxrs_async_eval`"),
    ("mlx_jvp", "`mlxrs_jvp` is the same with this library's rules of derivatives"),
    ("mlx_load", "`mlx_load_reader` reads through this crate's reader, which notices a file that changes"),
    ("mlx_save", "`mlx_save_writer` writes the file that then replaces another one"),
    ("mlx_load_safetensors", "as `mlx_load`, by `mlx_load_safetensors_reader`"),
    ("mlx_load_gguf", "MLX maps the file, and the process ends if the file shrinks; this crate reads the data itself"),
    ("mlx_io_gguf_get_array", "as `mlx_load_gguf`"),
    ("mlx_io_gguf_get_keys", "as `mlx_load_gguf`"),
    ("mlx_value_and_grad", "`mlxrs_value_and_grad` is the same with this library's rules of derivatives"),
    ("mlx_vjp", "`mlxrs_vjp` is the same with this library's rules of derivatives"),
    ("mlx_dtype_size", "`Dtype::size` is known when a program is built; `Array::itemsize` asks MLX"),
];

/// The C functions, each with its header.
fn functions() -> Result<BTreeMap<String, String>> {
    let bound: BTreeSet<&str> = mlx_sys::source::BINDINGS
        .split("pub fn ")
        .skip(1)
        .filter_map(|rest| rest.split('(').next())
        .map(str::trim)
        .filter(|name| name.trim_start_matches('_').starts_with("mlx_"))
        .collect();
    let mut found = BTreeMap::new();
    let folder = Path::new(mlx_sys::source::HEADERS).join("mlx/c");
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "h") {
            continue;
        }
        let header = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in text.split(|c: char| !is_name(c)) {
            if bound.contains(word) {
                found.insert(word.to_owned(), header.clone());
            }
        }
    }
    ensure!(
        found.len() == bound.len(),
        "some bound function is in no header"
    );
    Ok(found)
}

fn list(functions: &BTreeMap<String, String>, calls: &callers::Calls) -> String {
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, header) in functions {
        headers.entry(header).or_default().push(name);
    }
    let left_out: BTreeMap<_, _> = LEFT_OUT.iter().copied().collect();
    let reached = functions.len() - LEFT_OUT.len();
    let mut out = format!(
        "# Coverage of MLX C 0.7.0\n\n\
         {reached} of {} functions are called by safe Rust of this crate. Written by `cargo xtask generate`.\n\n\
         ## Left out\n\n| function | reason |\n|---|---|\n",
        functions.len()
    );
    for (name, why) in LEFT_OUT {
        writeln!(out, "| `{name}` | {why} |").unwrap();
    }
    for (header, names) in headers {
        writeln!(
            out,
            "\n## {header}.h\n\n| function | called by |\n|---|---|"
        )
        .unwrap();
        for name in names {
            if left_out.contains_key(name) {
                continue;
            }
            // One caller is enough, and new ones do not change the list.
            let item = calls.get(name).and_then(|items| items.first());
            writeln!(out, "| `{name}` | `{}` |", item.map_or("", |i| i)).unwrap();
        }
    }
    out
}

/// The list, after a check that every function is called or excused.
pub fn file(root: &Path) -> Result<File> {
    let functions = functions()?;
    let calls = callers::find(
        &root.join("mlx-runtime/src"),
        &functions.keys().cloned().collect(),
    )?;
    let excused: BTreeSet<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    for name in &excused {
        ensure!(
            functions.contains_key(*name),
            "MLX C has no function {name}"
        );
        ensure!(!calls.contains_key(*name), "{name} is called after all");
    }
    let missing: Vec<_> = functions
        .keys()
        .filter(|name| !calls.contains_key(*name) && !excused.contains(name.as_str()))
        .collect();
    ensure!(
        missing.is_empty(),
        "{} functions are neither called nor excused: {missing:?}",
        missing.len()
    );
    Ok(File {
        path: "mlx-runtime/COVERAGE.md".into(),
        text: list(&functions, &calls),
    })
}
