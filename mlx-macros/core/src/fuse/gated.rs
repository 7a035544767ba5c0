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
pub(super) fn swiglu(_: &ModelDef, graph: &mut Graph) {
    if let Some(fused) = ops::find("swiglu") {
        gated(graph, "silu", fused);
    }
}

/// `gelu_approx(gate) * up` likewise.
pub(super) fn geglu(_: &ModelDef, graph: &mut Graph) {
    gated(graph, "gelu_approx", &GEGLU);
}

fn gated(graph: &mut Graph, activation: &str, fused: &'static Op) {
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
        graph.nodes[id].kind = Kind::Op { op: fused, args };
    }
}
