//! The declarations in MLX C's headers.
//!
//! Tests: `tests/current.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Array,
    Arrays,
    Int,
    Float,
    Double,
    Bool,
    Dtype,
    Norm,
    Group,
    Text,
    Ints,
    OptionalInt,
    OptionalFloat,
    /// Integers `x_0`, `x_1`, .. as one `x`.
    Tuple(usize),
    Stream,
    Output,
    Outputs,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
}

impl Parameter {
    pub fn is_output(&self) -> bool {
        matches!(self.kind, Kind::Output | Kind::Outputs)
    }
}

#[derive(Debug)]
pub struct Signature {
    pub parameters: Vec<Parameter>,
}

/// The functions whose parameters are all of a kind above.
pub fn read(headers: &Path) -> Result<BTreeMap<String, Signature>> {
    let mut found = BTreeMap::new();
    let folder = headers.join("mlx/c");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let text = std::fs::read_to_string(entry?.path()).unwrap_or_default();
        for statement in text.split(';') {
            let Some((before, list)) = statement.split_once('(') else {
                continue;
            };
            let Some(name) = before.split_whitespace().last() else {
                continue;
            };
            let Some((list, _)) = list.rsplit_once(')') else {
                continue;
            };
            if let Some(parameters) = parameters(list) {
                found.insert(name.to_owned(), Signature { parameters });
            }
        }
    }
    Ok(found)
}

fn parameters(list: &str) -> Option<Vec<Parameter>> {
    let mut out: Vec<Parameter> = Vec::new();
    for one in list.split(',') {
        let nullable = one.contains("/* may be null */");
        let words = one.replace("/* may be null */", " ").replace('*', "* ");
        let words: Vec<&str> = words.split_whitespace().filter(|w| *w != "const").collect();
        let (name, ty) = words.split_last()?;
        let ty = ty.concat();
        let kind = match ty.as_str() {
            "mlx_array*" => Kind::Output,
            "mlx_vector_array*" => Kind::Outputs,
            "mlx_array" => Kind::Array,
            "mlx_vector_array" => Kind::Arrays,
            "int" => Kind::Int,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bool" => Kind::Bool,
            "mlx_dtype" => Kind::Dtype,
            "mlx_fft_norm" => Kind::Norm,
            "mlx_distributed_group" => Kind::Group,
            "char*" => Kind::Text,
            "int*" => Kind::Ints,
            "mlx_optional_int" => Kind::OptionalInt,
            "mlx_optional_float" => Kind::OptionalFloat,
            "mlx_stream" => Kind::Stream,
            // The length of the list before it.
            "size_t" if name.ends_with("_num") => continue,
            _ => return None,
        };
        let (stem, number) = name.rsplit_once('_').unwrap_or((name, ""));
        if kind == Kind::Int && number.parse::<usize>().is_ok() {
            if let Some(Parameter {
                name,
                kind: Kind::Tuple(n),
                ..
            }) = out.last_mut()
            {
                if name == stem {
                    *n += 1;
                    continue;
                }
            }
            out.push(Parameter {
                name: stem.to_owned(),
                kind: Kind::Tuple(1),
                nullable,
            });
            continue;
        }
        out.push(Parameter {
            name: (*name).to_owned(),
            kind,
            nullable,
        });
    }
    Some(out)
}
