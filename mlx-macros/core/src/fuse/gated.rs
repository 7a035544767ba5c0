//! Fuses gated linear units.
//!
//! Tests: `tests/passes.rs`.

use super::op_of;
use crate::ir::{Arg, Graph, Id, Kind, Op, Tier, P};
use crate::ops::keeps::INPUTS;
use crate::ops::{self, rules};
use crate::syntax::model::ModelDef;

/// `gelu_approx(gate) * up`, which users write as such.
static GEGLU: Op = Op {
    name: "geglu",
    params: &[("gate", P::Tensor), ("up", P::Tensor)],
    tier: Tier::Launch,
    rule: rules::swiglu,
    keeps: INPUTS,
};

/// `silu(gate) * up` becomes one operation with a gradient of its own, so that the backward pass
/// keeps two arrays instead of five.
pub(super) fn swiglu(model: &ModelDef, graph: &mut Graph) {
    if let Some(fused) = ops::find("swiglu") {
        gated(model, graph, "silu", fused);
    }
}

/// `gelu_approx(gate) * up` likewise.
pub(super) fn geglu(model: &ModelDef, graph: &mut Graph) {
    gated(model, graph, "gelu_approx", &GEGLU);
}

fn gated(model: &ModelDef, graph: &mut Graph, activation: &str, fused: &'static Op) {
    for id in 0..graph.nodes.len() {
        let Some([Arg::Value(left), Arg::Value(right)]) = op_of(graph, id, "multiply") else {
            continue;
        };
        let (left, right) = (*left, *right);
        // The fused operation has no broadcast: both sides must have the result's shape.
        if graph.nodes[left].ty != graph.nodes[right].ty {
            continue;
        }
        let gate = |side: Id| op_of(graph, side, activation)?.first().cloned();
        let args = match (gate(left), gate(right)) {
            (Some(gate), _) => vec![gate, Arg::Value(right)],
            (None, Some(gate)) => vec![gate, Arg::Value(left)],
            (None, None) => continue,
        };
        // A kernel of the region reads parts of one value where they lie.
        let sides: Vec<Option<Id>> = args
            .iter()
            .flat_map(Arg::values)
            .map(|side| cut_of(graph, side))
            .collect();
        if model.fuse.is_on("kernels") && sides[0].is_some() && sides[0] == sides[1] {
            continue;
        }
        graph.nodes[id].kind = Kind::Op { op: fused, args };
    }
}

/// The value that another is a part of.
fn cut_of(graph: &Graph, id: Id) -> Option<Id> {
    let op = match graph.nodes[id].kind {
        Kind::Item(of, _) => op_of(graph, of, "split"),
        _ => op_of(graph, id, "slice"),
    };
    op?.first()?.values().first().copied()
}
