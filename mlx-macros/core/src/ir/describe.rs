//! Describes types and values for messages.
//!
//! Tests: `tests/planted.rs`.

use crate::ir::{Graph, Id, Kind};
use crate::syntax::names::Names;
use crate::syntax::signature::{Dt, Ty};

/// A type in the user's words.
pub fn show(ty: &Ty, names: &Names) -> String {
    match ty {
        Ty::Tensor(s, Dt::Float) => names.shape(s),
        Ty::Tensor(s, d) => format!("{} of {}", names.shape(s), d.name()),
        Ty::Tuple(all) => {
            let all = all.iter().map(|t| show(t, names));
            format!("({})", all.collect::<Vec<_>>().join(", "))
        }
        Ty::Cache => "a cache".to_string(),
        Ty::Number => "a number".to_string(),
        Ty::Whole => "a whole number".to_string(),
        Ty::Unknown => "unknown".to_string(),
    }
}

/// The words of a message for a value: "`x` is [B, L] (line 3)".
pub fn describe(graph: &Graph, id: Id, names: &Names) -> String {
    sentence(graph, id, names, " is ")
}

/// As [`describe`], where a noun fits: "`x` [B, L] (line 3)".
pub fn noun(graph: &Graph, id: Id, names: &Names) -> String {
    sentence(graph, id, names, " ")
}

fn sentence(graph: &Graph, id: Id, names: &Names, verb: &str) -> String {
    let node = &graph.nodes[id];
    let shape = match &node.ty {
        tuple @ Ty::Tuple(_) => format!("a tuple {}", show(tuple, names)),
        ty => show(ty, names),
    };
    let what = match (&node.name, &node.kind) {
        (Some(name), _) => format!("`{name}`"),
        (None, Kind::Op { op, .. }) => format!("the result of `{}`", op.name),
        (None, Kind::Param(field)) => format!("`self.{field}`"),
        (None, _) => match node.field() {
            Some(field) => format!("the result of `self.{field}`"),
            None => "this value".to_string(),
        },
    };
    let line = |id: Id| graph.nodes[id].span.start().line;
    match (line(id), line(shape_source(graph, id))) {
        (0, _) | (_, 0) => format!("{what}{verb}{shape}"),
        (at, from) if at == from => format!("{what}{verb}{shape} (line {at})"),
        (at, from) => format!("{what}{verb}{shape} (line {at}, because of line {from})"),
    }
}

/// The value that a shape and dtype were first those of, before they were passed on unchanged. A
/// layer's result has its weight's size, even where that is the size it had before.
fn shape_source(graph: &Graph, id: Id) -> Id {
    let node = &graph.nodes[id];
    if matches!(node.kind, Kind::Leaf { .. }) || !matches!(node.ty, Ty::Tensor(..)) {
        return id;
    }
    let mut before = node.inputs().into_iter();
    let same = before.find(|i| graph.nodes[*i].ty == node.ty);
    same.map_or(id, |i| shape_source(graph, i))
}
