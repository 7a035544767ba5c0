//! Refuses methods and functions that call themselves, because nothing in the language would end that.
//!
//! Tests: `tests/planted.rs`.

use std::collections::{BTreeSet, VecDeque};

use proc_macro2::Span;
use syn::{Ident, Path};

use crate::diag::Diag;
use crate::ir::{Callee, Graph, Kind};
use crate::syntax::signature::Method;

/// A mistake for each circle of methods, at the call that begins it.
pub fn of_methods(methods: &[(&Method, &Graph)]) -> Vec<Diag> {
    let place = |name: &Ident| methods.iter().position(|(m, _)| m.name == *name);
    let calls = |at: usize| {
        let nodes = methods[at].1.nodes.iter();
        nodes.filter_map(move |n| match &n.kind {
            Kind::Method { name, .. } => Some((place(name)?, n.span)),
            _ => None,
        })
    };
    let mut found = Vec::new();
    for start in 0..methods.len() {
        // Circles through an earlier method are reported there.
        let mut todo: VecDeque<(usize, Option<Span>, Vec<usize>)> = [(start, None, vec![])].into();
        let mut seen = BTreeSet::new();
        while let Some((at, first, path)) = todo.pop_front() {
            let later = calls(at).filter(|(to, _)| *to >= start);
            let mut back = None;
            for (to, span) in later {
                if to == start {
                    back = Some(first.unwrap_or(span));
                    break;
                }
                if seen.insert(to) {
                    let path = [&path[..], &[to]].concat();
                    todo.push_back((to, first.or(Some(span)), path));
                }
            }
            if let Some(span) = back {
                let through: Vec<String> = path
                    .iter()
                    .map(|i| format!("`{}`", methods[*i].0.name))
                    .collect();
                let through = match through.is_empty() {
                    true => String::new(),
                    false => format!(" through {}", through.join(", ")),
                };
                found.push(Diag::calls_itself(span, &methods[start].0.name, through));
                break;
            }
        }
    }
    found
}

/// A mistake for each call that a function makes of itself.
pub fn of_function(method: &Method, graph: &Graph) -> Vec<Diag> {
    let nodes = graph.nodes.iter();
    nodes
        .filter_map(|n| match &n.kind {
            Kind::Function { call, .. } => match &call.callee {
                Callee::Function(path) if is(path, &method.name) => {
                    Some(Diag::calls_itself(n.span, &method.name, ""))
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// True if a path names a function of this module.
fn is(path: &Path, name: &Ident) -> bool {
    let own = path.segments.len() == 2 && path.segments[0].ident == "self";
    (path.is_ident(name)) || (own && path.segments[1].ident == *name)
}

/// The functions that a body calls, each once.
pub fn called(graph: &Graph) -> Vec<&Path> {
    let mut all: Vec<&Path> = Vec::new();
    for n in &graph.nodes {
        if let Kind::Function { call, .. } = &n.kind {
            if let Callee::Function(path) = &call.callee {
                if !all.contains(&path) {
                    all.push(path);
                }
            }
        }
    }
    all
}
