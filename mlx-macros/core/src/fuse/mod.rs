//! What the graph can do in fewer, bigger operations. Each pass takes a graph and leaves one that
//! computes the same values; each can be switched off by its name.

use std::collections::BTreeSet;

use crate::dims::Shape;
use crate::ir::{Arg, Graph, Id, Kind};
use crate::parse::ModelDef;
use crate::signature::{Dt, Ty};

mod attention;
mod projections;
mod residual_norm;
mod swiglu;
mod switches;

pub use switches::Switches;

/// One rewriting of the graph.
pub struct Pass {
    /// The name by which it is switched.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Rewrites a graph.
    run: fn(&ModelDef, &mut Graph),
}

/// Every pass, in the order in which they run.
pub static PASSES: &[Pass] = &[
    Pass {
        name: "swiglu",
        doc: "`silu(gate) * up` is one operation with a gradient of its own",
        run: swiglu::run,
    },
    Pass {
        name: "attention",
        doc: "heads split off, `rope`, `cache.update`, causal attention and heads joined are one operation",
        run: attention::run,
    },
    Pass {
        name: "projections",
        doc: "`Linear` layers that read the same value share one matmul",
        run: projections::run,
    },
    Pass {
        name: "residual_norm",
        doc: "a sum and the `RmsNorm` of it are one pass over the data",
        run: residual_norm::run,
    },
];

/// Runs the passes that the model has switched on.
pub fn run(model: &ModelDef, graph: &mut Graph) {
    for pass in PASSES.iter().filter(|p| model.fuse.is_on(p.name)) {
        (pass.run)(model, graph);
    }
}

/// The arguments of an operation called `name`.
fn op_of<'g>(graph: &'g Graph, id: Id, name: &str) -> Option<&'g [Arg]> {
    match &graph.nodes[id].kind {
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

/// The nodes that the result needs.
pub fn live(graph: &Graph) -> BTreeSet<Id> {
    let mut live = BTreeSet::new();
    let mut todo: Vec<Id> = graph.result.into_iter().collect();
    while let Some(id) = todo.pop() {
        if live.insert(id) {
            todo.extend(graph.nodes[id].inputs());
        }
    }
    live
}
