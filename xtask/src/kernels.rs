//! `tests/kernels/generated.rs`: kernels of every operation and random ones, which `mlx-tests --test kernels` compares with
//! MLX's operations. The texts are those that the tests of mlx-macros-core differentiate.
//!
//! Tests: `tests/current.rs`.

use std::fmt::Write;

use anyhow::{Context, Result};
use mlx_macros_core::kernel::ir::{Input, Program};
use mlx_macros_core::kernels;

use crate::File;

#[path = "../../mlx-macros/core/tests/kernels/each.rs"]
mod each;
#[allow(dead_code)] // The tests there read all of it.
#[path = "../../mlx-macros/core/tests/kernels/generate.rs"]
mod generate;

use each::KERNELS;
use generate::{kernel, Random};

/// The number of random kernels in it.
const RANDOM: usize = 40;

/// The number of arrays that a kernel returns. It writes more if it keeps numbers for its gradient.
fn results(signature: &syn::Signature) -> usize {
    match &signature.output {
        syn::ReturnType::Type(_, of) => match &**of {
            syn::Type::Tuple(all) => all.elems.len(),
            _ => 1,
        },
        syn::ReturnType::Default => 0,
    }
}

/// The kernel of a text: its function, and the row of the table.
fn case(text: &str, sizes: &[(&str, i64)]) -> Result<(String, String)> {
    let f: syn::ItemFn = syn::parse_str(text)?;
    let found = kernels::programs(&f).with_context(|| format!("{text} is not a kernel"))?;
    let Program { name, inputs, .. } = &found.0;
    let args: Vec<String> = (0..inputs.len()).map(|i| format!("&x[{i}]")).collect();
    let call = format!("{name}({})?", args.join(", "));
    let list = match results(&f.sig) {
        1 => format!("Ok(vec![{call}])"),
        n => {
            let places: Vec<String> = (0..n).map(|i| format!("y.{i}")).collect();
            format!("let y = {call}; Ok(vec![{}])", places.join(", "))
        }
    };
    let function = format!(
        "#[mlx_kernel]\n{text}\nfn call_{name}(x: &[Array]) -> Result<Vec<Array>> {{ {list} }}\n"
    );
    let shape = |i: &Input| {
        let dims: Vec<String> = i
            .shape
            .iter()
            .map(|d| format!("{:?}", d.to_string()))
            .collect();
        format!("(&[{}], {:?})", dims.join(", "), i.dtype.name())
    };
    let arguments: Vec<String> = inputs.iter().map(shape).collect();
    let row = format!(
        "    Case {{ name: {name:?}, call: call_{name}, arguments: &[{}], sizes: &{sizes:?} }},",
        arguments.join(", ")
    );
    Ok((function, row))
}

pub fn file() -> Result<File> {
    // rustfmt leaves the file alone, because it begins with this line.
    let mut text = String::from(
        "#![cfg_attr(rustfmt, rustfmt_skip)]\n\
         //! Kernels of every operation, and random ones; `cargo xtask generate` writes this file.\n\n\
         use mlx_macros::mlx_kernel;\nuse mlx_runtime::{Array, Result};\n\nuse super::Case;\n\n",
    );
    let each = KERNELS.iter().enumerate().map(|(i, (text, sizes))| {
        let text = text.replacen("fn f(", &format!("fn each{i}("), 1);
        case(&text, sizes)
    });
    let mut random = Random(2026);
    let random = (0..RANDOM).map(|i| {
        let k = kernel(&format!("random{i}"), &mut random);
        case(&k.text, &[("B", 2), ("L", 3), ("D", 19), ("E", 33)])
    });
    let cases: Vec<(String, String)> = each.chain(random).collect::<Result<_>>()?;
    let (functions, rows): (Vec<String>, Vec<String>) = cases.into_iter().unzip();
    text += &functions.concat();
    writeln!(
        text,
        "/// All of them.\npub const CASES: &[Case] = &[\n{}\n];",
        rows.join("\n")
    )?;
    Ok(File {
        path: "tests/kernels/generated.rs".into(),
        text,
    })
}
