//! The file of kernels that are compiled and compared with MLX's operations. `KERNELS_WRITE=1` writes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mlx_macros_core::kernel::ir::Program;

use crate::each::KERNELS;
use crate::generate::{kernel, Random};
use crate::interpret::{read, results};

/// The number of random kernels in it.
const RANDOM: usize = 40;

fn case(out: &mut String, text: &str) {
    let (p, _) = read(text);
    let Program { name, inputs, .. } = &p;
    writeln!(out, "#[mlx_kernel]\n{text}").unwrap();
    let args: Vec<String> = (0..inputs.len()).map(|i| format!("&x[{i}]")).collect();
    let call = format!("{name}({})?", args.join(", "));
    let list = match results(text) {
        1 => format!("Ok(vec![{call}])"),
        n => {
            let places: Vec<String> = (0..n).map(|i| format!("y.{i}")).collect();
            format!("let y = {call}; Ok(vec![{}])", places.join(", "))
        }
    };
    writeln!(
        out,
        "fn call_{name}(x: &[Array]) -> Result<Vec<Array>> {{ {list} }}"
    )
    .unwrap();
}

fn row(text: &str, sizes: &[(&str, i64)]) -> String {
    let (p, _) = read(text);
    let shape = |i: &mlx_macros_core::kernel::ir::Input| {
        let dims: Vec<String> = i
            .shape
            .iter()
            .map(|d| format!("{:?}", d.to_string()))
            .collect();
        format!("(&[{}], {:?})", dims.join(", "), i.dtype.name())
    };
    let arguments: Vec<String> = p.inputs.iter().map(shape).collect();
    format!(
        "    Case {{ name: {:?}, call: call_{}, arguments: &[{}], sizes: &{sizes:?} }},",
        p.name,
        p.name,
        arguments.join(", ")
    )
}

fn text() -> String {
    let mut out = String::from(
        "//! Kernels of every operation, and random ones; `mlx-macros/core/tests/kernels/committed.rs` writes this file.\n\n\
         use mlx_macros::mlx_kernel;\nuse mlx_runtime::{Array, Result};\n\nuse super::Case;\n\n",
    );
    let mut rows = Vec::new();
    for (i, (text, sizes)) in KERNELS.iter().enumerate() {
        let text = text.replacen("fn f(", &format!("fn each{i}("), 1);
        case(&mut out, &text);
        rows.push(row(&text, sizes));
    }
    let mut random = Random(2026);
    for i in 0..RANDOM {
        let k = kernel(&format!("random{i}"), &mut random);
        case(&mut out, &k.text);
        rows.push(row(&k.text, &[("B", 2), ("L", 3), ("D", 19), ("E", 33)]));
    }
    writeln!(
        out,
        "/// All of them.\npub const CASES: &[Case] = &[\n{}\n];",
        rows.join("\n")
    )
    .unwrap();
    let file = syn::parse_file(&out).unwrap();
    // rustfmt leaves the file alone, because it begins with this line.
    drop(file);
    format!("#![cfg_attr(rustfmt, rustfmt_skip)]\n{out}")
}

#[test]
fn the_committed_kernels_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kernels/generated.rs");
    let text = text();
    if std::env::var_os("KERNELS_WRITE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        text,
        "run with KERNELS_WRITE=1"
    );
}
