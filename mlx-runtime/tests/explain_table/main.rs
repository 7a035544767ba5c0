//! The table of C calls behind `explain`, held to the sources of the runtime: for each operation
//! of the language the calls are read off the functions that generated code calls, through all
//! functions that these call in turn. `UPDATE_TABLE=1 cargo test -p mlx-runtime --test
//! explain_table` writes the table.

mod scan;

use std::fmt::Write;
use std::path::Path;

use scan::{Calls, Sources};

/// What `explain` asks for besides operations: a layer in one of its states, or what a pass makes.
/// The states are chosen in `explain/calls.rs`.
const LAYERS: &[(&str, &str, &str)] = &[
    ("add_rms_norm", "mlx_add mlx_fast_rms_norm", "mlxrs_add_rms_norm"),
    ("cache.update", "mlx_concatenate_axis mlx_concatenate_axis", ""),
    ("layer bias", "mlx_add", ""),
    ("layer dequantized_linear", "mlx_dequantize mlx_astype mlx_transpose_axes mlx_matmul", ""),
    ("layer embedding", "mlx_clip mlx_take_axis", ""),
    ("layer joined_adapters", "mlx_concatenate_axis mlx_astype mlx_matmul mlx_astype mlx_multiply mlx_split_sections", ""),
    ("layer joined_linear", "mlx_transpose_axes mlx_matmul mlx_split_sections", ""),
    ("layer linear", "mlx_transpose_axes mlx_matmul", ""),
    ("layer lora", "mlx_astype mlx_matmul mlx_astype mlx_multiply mlx_astype mlx_addmm", ""),
    ("layer lora_after", "mlx_astype mlx_addmm", ""),
    ("layer lora_linear", "mlxrs_lora_linear", ""),
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

#[test]
fn the_table_is_what_the_sources_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = Sources::read(&root);
    let mut rows = Vec::new();
    let language = language();
    for name in sources.operations() {
        if !language.contains(&name) {
            continue;
        }
        let (plain, ours) = (sources.calls(&name, false), sources.calls(&name, true));
        let ours = if ours == plain { Calls::new() } else { ours };
        rows.push((name.clone(), row(&name, &plain, &ours)));
    }
    let known = sources.reachable("nn");
    for (name, plain, ours) in LAYERS {
        let split =
            |s: &str| -> Calls { s.split_whitespace().map(|c| vec![c.to_string()]).collect() };
        for c in split(plain).concat().iter().chain(&split(ours).concat()) {
            assert!(known.contains(c), "{name}: nothing in nn/ calls {c}");
        }
        rows.push((name.to_string(), row(name, &split(plain), &split(ours))));
    }
    rows.sort();
    let mut text = String::new();
    for (_, row) in &rows {
        let _ = write!(text, "{row}");
    }
    let path = root.join("explain/table.rs");
    let file = std::fs::read_to_string(&path).unwrap();
    let start = file.find("table! {\n").unwrap() + "table! {\n".len();
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(&path, format!("{}{text}}}\n", &file[..start])).unwrap();
        return;
    }
    let body = file[start..].trim_end_matches("}\n");
    for (ours, theirs) in text.lines().zip(body.lines()) {
        assert_eq!(ours, theirs, "run with UPDATE_TABLE=1");
    }
    assert_eq!(text, body, "run with UPDATE_TABLE=1");
}

/// The names in the macros' table of operations.
fn language() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ops = std::fs::read_to_string(root.join("../mlx-macros/core/src/ops.rs")).unwrap();
    let names = ops
        .lines()
        .filter_map(|l| l.trim().strip_prefix('"')?.split_once("\"("));
    names.map(|(n, _)| n.to_string()).collect()
}

#[test]
fn every_operation_of_the_language_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("src/explain/table.rs")).unwrap();
    let names = language();
    assert!(names.len() > 90, "{names:?}");
    for name in names {
        let row = table
            .lines()
            .find(|l| l.trim().starts_with(&format!("{name:?} =>")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        assert!(row.contains("mlx"), "{row}");
    }
}
