//! Computes an expression once that is written twice.
//!
//! Tests: `tests/passes.rs`.

use std::collections::BTreeMap;

use quote::ToTokens;

use super::visible;
use crate::ir::{Arg, Callee, Graph, Id, Kind};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Ty;

/// A value that is computed twice from the same things is computed once.
pub(super) fn run(_: &ModelDef, graph: &mut Graph) {
    let mut same: Vec<Id> = (0..graph.nodes.len()).collect();
    let mut first: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for id in 0..graph.nodes.len() {
        for input in graph.nodes[id].inputs_mut() {
            *input = same[*input];
        }
        let Some(key) = key(graph, id) else { continue };
        let found = first.entry(key).or_default();
        match found.iter().find(|f| visible(graph, **f, id)) {
            Some(f) => same[id] = *f,
            None => found.push(id),
        }
    }
    graph.result = graph.result.map(|id| same[id]);
    graph.kept = graph.kept.iter().map(|id| same[*id]).collect();
}

/// The key of a value that depends on its inputs alone.
fn key(graph: &Graph, id: Id) -> Option<String> {
    let node = &graph.nodes[id];
    // A reader or writer of a cache depends on the order of both.
    let cached = |id: &Id| graph.nodes[*id].ty == Ty::Cache;
    if node.inputs().iter().any(cached) {
        return None;
    }
    let list = |args: &[Arg]| args.iter().map(arg).collect::<Vec<_>>().join(", ");
    match &node.kind {
        Kind::Param(field) => Some(format!("param {field}")),
        Kind::Weight { field, bias } => Some(format!("weight {field} {bias}")),
        Kind::Op { op, args } => Some(format!("{}({})", op.name, list(args))),
        Kind::Leaf { field, args, .. } => Some(format!("self.{field}({})", list(args))),
        Kind::Sub { field, args, .. } => Some(format!("model {field}({})", list(args))),
        Kind::Method { name, args } => Some(format!("method {name}({})", list(args))),
        Kind::Function { args, call } => match &call.callee {
            Callee::Function(path) => Some(format!("{}({})", path.to_token_stream(), list(args))),
            _ => None,
        },
        Kind::Number(e) => Some(format!("number {}", e.to_token_stream())),
        Kind::Item(of, i) => Some(format!("%{of}.{i}")),
        _ => None,
    }
}

fn arg(a: &Arg) -> String {
    let tokens = |e: &syn::Expr| e.to_token_stream().to_string();
    match a {
        Arg::Value(id) => format!("%{id}"),
        Arg::Weak { expr, like } => format!("{} as %{like}", tokens(expr)),
        Arg::Values(ids) | Arg::Whole(ids) => format!("{ids:?}"),
        Arg::Int(i) => i.to_string(),
        Arg::Ints(l) => format!("{l:?}"),
        Arg::Dims(d) => {
            let d: Vec<String> = d.iter().map(ToString::to_string).collect();
            format!("[{}]", d.join(", "))
        }
        Arg::Scalar(e) | Arg::Bool(e) => tokens(e),
        Arg::Dtype(d) => d.name().to_string(),
        Arg::Causal => "causal".to_string(),
        Arg::Sliding(e) => format!("sliding({})", tokens(e)),
        Arg::Text(t) => format!("{t:?}"),
        Arg::Absent => "_".to_string(),
    }
}
