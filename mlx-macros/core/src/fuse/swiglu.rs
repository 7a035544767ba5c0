//! Gated linear units.

use crate::ir::{Arg, Graph, Kind};
use crate::ops;
use crate::parse::ModelDef;

/// `silu(gate) * up` becomes one operation with a gradient of its own, so that the backward pass
/// keeps two arrays instead of five.
pub(super) fn run(_: &ModelDef, graph: &mut Graph) {
    let Some(fused) = ops::find("swiglu") else {
        return;
    };
    for id in 0..graph.nodes.len() {
        let Kind::Op { op, args } = &graph.nodes[id].kind else {
            continue;
        };
        let (Some(Arg::Value(left)), Some(Arg::Value(right)), "multiply") =
            (args.first(), args.get(1), op.name)
        else {
            continue;
        };
        let gate = match &graph.nodes[*left].kind {
            Kind::Op { op, args } if op.name == "silu" => args[0].clone(),
            _ => continue,
        };
        // The fused operation has no broadcast: both sides must have the result's shape.
        let (left, right) = (*left, *right);
        if graph.nodes[left].ty != graph.nodes[right].ty {
            continue;
        }
        graph.nodes[id].kind = Kind::Op {
            op: fused,
            args: vec![gate, Arg::Value(right)],
        };
    }
}
