//! One expression, judged by both sides.

use mlx_macros_core::ir::Kind;
use mlx_macros_core::syntax::signature::Ty;
use mlx_runtime::Array;

use crate::call::{dtype, unknown, value};
use crate::differences::{less_known, stricter};
use crate::symbols::{number, read};

/// The outcome of an expression.
#[derive(Debug)]
#[allow(dead_code)] // the reasons are for failing tests, which print them
pub enum Verdict {
    /// Both accept it, with equal shapes and dtypes.
    Accepted,
    /// Both refuse it.
    Refused,
    /// The language has no such form.
    NoForm(String),
    /// Only the language refuses it, for this reason.
    Stricter(&'static str),
    /// Only MLX refuses it, since sizes are numbers then.
    LessKnown(&'static str),
}

/// An array's type as the language writes it.
fn show(a: &Array) -> String {
    format!("{:?} of {:?}", a.shape(), a.dtype())
}

/// The types of a value, each dim a number.
fn types(ty: &Ty) -> Vec<String> {
    match ty {
        Ty::Tensor(s, d) => {
            let shape: Vec<i64> = s.iter().map(number).collect();
            vec![format!("{shape:?} of {:?}", dtype(*d))]
        }
        Ty::Tuple(all) => all.iter().flat_map(types).collect(),
        _ => panic!("not a tensor"),
    }
}

/// The operation's name and the verdict; a disagreement that nothing explains is an error.
pub fn check(args: &str, expr: &str) -> Result<(&'static str, Verdict), String> {
    let read = read(args, expr)?;
    let Some(node) = read.node else {
        let first = read.errors.first().map(|e| e.message.clone());
        return Ok(("", Verdict::NoForm(first.unwrap_or_default())));
    };
    let Kind::Op { op, .. } = &read.graph.nodes[node].kind else {
        return Err("not an operation".to_string());
    };
    let inputs = unknown(&read.method).map_err(|e| e.to_string())?;
    let theirs = value(&inputs, &read.graph, node);
    let verdict = match (&read.errors[..], theirs) {
        ([], Ok(arrays)) => {
            let ours = types(&read.graph.nodes[node].ty);
            let theirs: Vec<String> = arrays.iter().map(show).collect();
            match ours == theirs {
                true => Verdict::Accepted,
                false => return Err(format!("the rule says {ours:?}, MLX {theirs:?}")),
            }
        }
        ([], Err(e)) => match less_known(op.name, &read, node) {
            Some(why) => Verdict::LessKnown(why),
            None => {
                let ours = types(&read.graph.nodes[node].ty);
                return Err(format!("the rule says {ours:?}, MLX refuses: {e}"));
            }
        },
        (_, Err(_)) => Verdict::Refused,
        (errors, Ok(arrays)) => match stricter(op.name, &read, node, &arrays) {
            Some(why) => Verdict::Stricter(why),
            None => {
                let theirs: Vec<String> = arrays.iter().map(show).collect();
                let text = &errors[0].message;
                return Err(format!("refused ({text}), but MLX gives {theirs:?}"));
            }
        },
    };
    Ok((op.name, verdict))
}
