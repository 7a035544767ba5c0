//! Passes that rewrite a graph to fewer, bigger operations.
//!
//! Each pass leaves a graph that computes the same values, and can be switched off by its name.
//!
//! Tests: `tests/passes.rs`; `mlx-tests --test fusion_passes`.

use crate::ir::{Arg, Graph, Id, Kind};
use crate::ops;
use crate::syntax::dims::Shape;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Ty};

mod attention;
mod common;
mod cross_entropy;
mod dead_code;
mod dequantize;
mod gated;
mod lora;
mod projections;
mod record;
mod whole;

/// One rewriting of the graph.
pub struct Pass {
    /// The name by which it is switched.
    pub name: &'static str,
    /// A sentence that says its effect.
    pub doc: &'static str,
    /// Rewrites a graph.
    run: fn(&ModelDef, &mut Graph),
}

/// Every pass, in the order in which they run.
pub static PASSES: &[Pass] = &[
    Pass {
        name: "dead_code",
        doc: "values that nothing reads are not computed, unless they change a cache",
        run: dead_code::run,
    },
    Pass {
        name: "common_subexpressions",
        doc: "what is computed twice from the same values is computed once",
        run: common::run,
    },
    Pass {
        name: "cross_entropy",
        doc: "`cross_entropy(self.head(h), targets)`, also weighted, reduced or with soft-capped logits, is `linear_cross_entropy` where nothing else reads the logits",
        run: cross_entropy::run,
    },
    Pass {
        name: "swiglu",
        doc: "`silu(gate) * up` is one operation with a gradient of its own",
        run: gated::swiglu,
    },
    Pass {
        name: "geglu",
        doc: "`gelu_approx(gate) * up` is one operation with a gradient of its own",
        run: gated::geglu,
    },
    Pass {
        name: "attention",
        doc: "heads split off, their norms, `rope`, `cache.update`, causal attention and heads joined are one operation; so are two that differ in the window or the rotation, in the arms of an `if`",
        run: attention::run,
    },
    Pass {
        name: "projections",
        doc: "`Linear` layers that read the same value share one matmul",
        run: projections::run,
    },
    Pass {
        name: "lora",
        doc: "the A matrices of adapted layers that read the same value share one matmul",
        run: lora::run,
    },
    Pass {
        name: "whole",
        doc: "a joined product that only attention or a gated unit reads is not cut in parts before it",
        run: whole::run,
    },
    Pass {
        name: "dequantize",
        doc: "packed weights are dequantised before a product with many rows, and again in the backward pass",
        run: dequantize::run,
    },
];

/// The names of all passes.
pub fn names() -> Vec<&'static str> {
    PASSES.iter().map(|pass| pass.name).collect()
}

/// Runs the passes that the model has switched on.
pub fn run(model: &ModelDef, graph: &mut Graph) {
    dead_code::keep_all(graph);
    for pass in PASSES.iter().filter(|p| model.fuse.is_on(p.name)) {
        let before = record::Before::of(graph);
        (pass.run)(model, graph);
        before.record(pass.name, graph);
    }
}

/// The arguments of the operation called `name`, if the node is one.
fn op_of<'g>(graph: &'g Graph, id: Id, name: &str) -> Option<&'g [Arg]> {
    debug_assert!(ops::find(name).is_some(), "no operation is called {name}");
    match &graph.nodes.get(id)?.kind {
        Kind::Op { op, args } if op.name == name => Some(args),
        _ => None,
    }
}

fn shape_of(graph: &Graph, id: Id) -> Option<&Shape> {
    match &graph.nodes[id].ty {
        Ty::Tensor(s, Dt::Float) => Some(s),
        _ => None,
    }
}

/// The nodes that read a value; the method's caller counts as a node past all others.
fn readers(graph: &Graph, id: Id) -> Vec<Id> {
    let live = graph.live();
    let mut all: Vec<Id> = live
        .into_iter()
        .filter(|r| graph.nodes[*r].inputs().contains(&id))
        .collect();
    if graph.result == Some(id) {
        all.push(graph.nodes.len());
    }
    all
}

/// True if two nodes are always computed together: in one arm of the same `if`, or in none.
fn together(graph: &Graph, a: Id, b: Id) -> bool {
    graph.region(a) == graph.region(b)
}

/// True if the earlier node is there wherever the later one is computed.
fn visible(graph: &Graph, earlier: Id, later: Id) -> bool {
    graph
        .region(earlier)
        .is_none_or(|(start, end)| (start..end).contains(&later))
}
