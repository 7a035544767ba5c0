//! `mlx-runtime/src/generated`: wrappers of MLX C's functions of regular shape.
//!
//! The files in `rows` list the functions, their documentation, and the checks before each call;
//! MLX C's headers give the rest.
//!
//! Tests: `tests/current.rs`.

mod header;
mod rows;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};

use crate::File;
use header::{Kind, Parameter, Signature};
use rows::Row;

/// How a parameter looks in Rust, what stands before the call, and what is passed.
struct Argument {
    rust: String,
    before: String,
    pass: String,
}

fn argument(p: &Parameter, row: &Row) -> Argument {
    let name = match p.name.as_str() {
        "type" => "dtype",
        "UPLO" => "uplo",
        "M" => "m",
        // A key of another type than the other optional arrays.
        other => other,
    };
    let plain = |ty: &str, pass: String| Argument {
        rust: format!("{name}: {ty}"),
        before: String::new(),
        pass,
    };
    let given = row.types.get(&p.name);
    match &p.kind {
        Kind::Array if name == "key" => Argument {
            rust: "key: impl Into<Option<&'k Key>>".into(),
            before: "let key = key.into();".into(),
            pass: "crate::random::raw(key)".into(),
        },
        Kind::Array if p.nullable => plain("Option<&Array>", format!("optional({name})")),
        Kind::Array => plain("&Array", format!("{name}.as_raw()")),
        Kind::Arrays => Argument {
            rust: format!("{name}: &[&Array]"),
            before: format!("let {name}_list = VectorArray::from_refs(OP, {name})?;"),
            pass: format!("{name}_list.as_raw()"),
        },
        Kind::Int => plain("i32", name.into()),
        Kind::Float => plain("f32", name.into()),
        Kind::Double => plain("f64", name.into()),
        Kind::Bool => plain("bool", name.into()),
        Kind::Dtype => plain("Dtype", format!("{name}.as_raw()")),
        Kind::Norm => plain("Norm", format!("{name}.as_raw()")),
        Kind::Group => plain("Option<&Group>", format!("Group::raw({name})")),
        Kind::Text => match given {
            Some(ty) => plain(ty, format!("{name}.as_c().as_ptr()")),
            None => Argument {
                rust: format!("{name}: &str"),
                before: format!("let {name} = c_string(OP, {name})?;"),
                pass: format!("{name}.as_ptr()"),
            },
        },
        Kind::Ints if p.nullable => Argument {
            rust: format!("{name}: Option<&[i32]>"),
            before: format!(
                "let ({name}_at, {name}_len) = {name}.map_or((std::ptr::null(), 0), |l| (l.as_ptr(), l.len()));"
            ),
            pass: format!("{name}_at, {name}_len"),
        },
        Kind::Ints => plain("&[i32]", format!("{name}.as_ptr(), {name}.len()")),
        Kind::OptionalInt => plain("Option<i32>", format!("crate::ops::optional_int({name})")),
        Kind::OptionalFloat => plain("Option<f32>", format!("crate::ops::optional_float({name})")),
        Kind::Tuple(n) => plain(
            &format!("({})", vec!["i32"; *n].join(", ")),
            (0..*n).map(|i| format!("{name}.{i}")).collect::<Vec<_>>().join(", "),
        ),
        Kind::Stream => plain("", "s".into()),
        Kind::Output | Kind::Outputs => unreachable!("outputs come first"),
    }
}

/// A check of all arrays among the inputs; empty where there are none.
fn check_inputs(inputs: &[Parameter]) -> String {
    let arrays = inputs
        .iter()
        .filter(|p| p.kind == Kind::Array && p.name != "key");
    let (optional, given): (Vec<_>, Vec<_>) = arrays.partition(|p| p.nullable);
    let names: Vec<_> = given.iter().map(|p| p.name.as_str()).collect();
    let mut all = match names.is_empty() {
        true => String::new(),
        false => format!("[{}].into_iter()", names.join(", ")),
    };
    let lists = inputs.iter().filter(|p| p.kind == Kind::Arrays);
    let lists = lists.map(|p| format!("{}.iter().copied()", p.name));
    for more in optional.iter().map(|p| p.name.clone()).chain(lists) {
        all = match all.is_empty() {
            true => format!("{more}.into_iter()"),
            false => format!("{all}.chain({more})"),
        };
    }
    match all.is_empty() {
        true => all,
        false => format!(
            "crate::array::check_inputs({})?;\n",
            all.trim_end_matches(".into_iter()")
        ),
    }
}

fn function(row: &Row, signature: &Signature) -> String {
    let outputs: Vec<_> = signature
        .parameters
        .iter()
        .take_while(|p| p.is_output())
        .collect();
    let inputs = &signature.parameters[outputs.len()..];
    let stream = inputs.iter().any(|p| p.kind == Kind::Stream);
    let arguments: Vec<_> = inputs.iter().map(|p| argument(p, row)).collect();
    let of_rust: Vec<_> = inputs
        .iter()
        .zip(&arguments)
        .filter(|(p, _)| p.kind != Kind::Stream)
        .collect();
    let names: Vec<_> = inputs
        .iter()
        .filter(|p| p.kind == Kind::Array && !p.nullable)
        .map(|p| p.name.as_str())
        .collect();
    let list = inputs
        .iter()
        .find(|p| p.kind == Kind::Arrays)
        .map(|p| p.name.clone());
    let shown = list.unwrap_or_else(|| format!("&[{}]", names.join(", ")));

    let mut out = String::new();
    for line in row.doc.lines() {
        writeln!(out, "/// {}", line.trim()).unwrap();
    }
    writeln!(out, "///\n/// # Errors").unwrap();
    for line in row.errors.lines() {
        writeln!(out, "/// {}", line.trim()).unwrap();
    }
    if of_rust.len() > 7 {
        writeln!(
            out,
            "#[allow(clippy::too_many_arguments)] // MLX's own arguments"
        )
        .unwrap();
    }
    let result = match outputs.as_slice() {
        [one] if one.kind == Kind::Output => "Array",
        [_] => "Vec<Array>",
        _ => "(Array, Array)",
    };
    let parameters: Vec<_> = of_rust.iter().map(|(_, a)| a.rust.clone()).collect();
    let keyed = inputs
        .iter()
        .any(|p| p.kind == Kind::Array && p.name == "key");
    writeln!(
        out,
        "pub fn {}{}({}) -> Result<{result}> {{",
        row.name,
        if keyed { "<'k>" } else { "" },
        parameters.join(", ")
    )
    .unwrap();
    writeln!(out, "const OP: &str = \"{}\";", row.name).unwrap();
    // The checks before the call mean nothing for an array that failed.
    if !row.check.is_empty() || inputs.iter().any(|p| p.kind == Kind::Array && p.nullable) {
        out.push_str(&check_inputs(inputs));
    }
    writeln!(out, "{}", row.check).unwrap();
    for a in &arguments {
        writeln!(out, "{}", a.before).unwrap();
    }
    let passed: Vec<_> = arguments.iter().map(|a| a.pass.clone()).collect();
    let (build, outs) = match result {
        "Array" => ("build", "out"),
        "Vec<Array>" => ("build_many", "out"),
        _ => ("build_two", "out_0, out_1"),
    };
    let closure = match outs {
        "out" => "|out, s|",
        _ => "|out_0, out_1, s|",
    };
    let closure = if stream {
        closure.to_owned()
    } else {
        closure.replace(", s|", ", _|")
    };
    let call = format!("sys::{}({outs}, {})", row.c, passed.join(", "));
    // The group says on which stream.
    let group = inputs.iter().find(|p| p.kind == Kind::Group);
    let (open, close) = group.map_or((String::new(), ""), |p| {
        (format!("crate::distributed::on({}, || ", p.name), ")")
    });
    writeln!(
        out,
        "{open}{build}(OP, {shown}, {closure} {{\n\
         // SAFETY: the inputs and the stream are valid, each list has its length; what the call\n\
         // writes to is null; null inputs stand for \"absent\".\n\
         unsafe {{ {call} }}\n}}){close}\n{}\n}}",
        row.then
    )
    .unwrap();
    out
}

fn formatted(text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2021"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt; rustup component add rustfmt")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refuses:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The files of `mlx-runtime/src/generated`, but for its `mod.rs`.
pub fn files() -> Result<Vec<File>> {
    let signatures = header::read(Path::new(mlx_sys::source::HEADERS))?;
    rows::FILES
        .iter()
        .map(|(name, rows)| {
            let file = rows::read(name, rows)?;
            let mut text = format!(
                "//! {}\n//!\n//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/{name}.toml`.\n\n{}\n",
                file.doc, file.uses
            );
            for row in &file.wrapper {
                let signature = signatures
                    .get(&row.c)
                    .with_context(|| format!("{name}.toml: MLX C has no function {:?}", row.c))?;
                text.push('\n');
                text.push_str(&function(row, signature));
            }
            Ok(File {
                path: format!("mlx-runtime/src/generated/{name}.rs"),
                text: formatted(&text)?,
            })
        })
        .collect()
}
