//! Every function of MLX C is reachable through this crate: `COVERAGE.md` lists each beside an
//! item that calls it.
//!
//! The functions come from the bindings, their headers from MLX C's folder, the callers from this
//! crate's sources, which syn reads. To write the list anew: `UPDATE=1 cargo test -p mlx-runtime
//! --test coverage`.

mod callers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// What this crate does not call, and why.
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
fn functions() -> BTreeMap<String, String> {
    let bound: BTreeSet<&str> = mlx_sys::source::BINDINGS
        .split("pub fn ")
        .skip(1)
        .filter_map(|rest| rest.split('(').next())
        .map(str::trim)
        .filter(|name| name.trim_start_matches('_').starts_with("mlx_"))
        .collect();
    let mut found = BTreeMap::new();
    let folder = Path::new(mlx_sys::source::HEADERS).join("mlx/c");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "h") {
            continue;
        }
        let header = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in text.split(|c: char| !is_name(c)) {
            if bound.contains(word) {
                found.insert(word.to_owned(), header.clone());
            }
        }
    }
    assert_eq!(found.len(), bound.len(), "each function is in some header");
    found
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
         {reached} of {} functions are called by safe Rust of this crate. Written by \
         `UPDATE=1 cargo test -p mlx-runtime --test coverage`, which checks it, too.\n\n\
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

#[test]
fn every_function_of_mlx_c_is_called_or_named_with_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let functions = functions();
    let calls = callers::find(&root.join("src"), &functions.keys().cloned().collect());

    let excused: BTreeSet<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    assert!(excused.len() == LEFT_OUT.len() && excused.len() <= 24);
    for name in &excused {
        assert!(
            functions.contains_key(*name),
            "{name} is no function of MLX C"
        );
        assert!(!calls.contains_key(*name), "{name} is called after all");
    }
    let missing: Vec<_> = functions
        .keys()
        .filter(|name| !calls.contains_key(*name) && !excused.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "{} functions are neither called nor excused: {missing:?}",
        missing.len()
    );

    let path = root.join("COVERAGE.md");
    let text = list(&functions, &calls);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        current(&committed, &text, &calls),
        "COVERAGE.md is not current: UPDATE=1 writes it"
    );
}

/// Whether a list says what the new one does; where it names another caller, that one calls, too.
fn current(committed: &str, text: &str, calls: &callers::Calls) -> bool {
    let named = |line: &str, caller: &str| {
        let name = line.split('`').nth(1).unwrap_or_default();
        calls.get(name).is_some_and(|c| c.contains(caller))
    };
    let same = |(old, new): (&str, &str)| {
        let start = |line: &str| line.split('`').take(2).collect::<String>();
        let caller = old.split('`').nth(3).unwrap_or_default();
        old == new || start(old) == start(new) && named(old, caller)
    };
    committed.lines().count() == text.lines().count()
        && committed.lines().zip(text.lines()).all(same)
}
