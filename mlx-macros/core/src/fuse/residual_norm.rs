//! Fuses residual sums with their norms.
//!
//! Tests: `tests/passes.rs`.

use super::op_of;
use crate::ir::{Arg, Graph, Kind};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;

/// A residual sum and the norm of it become one pass over the data, forward and backward.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        let Kind::Leaf { field, args, .. } = &graph.nodes[id].kind else {
            continue;
        };
        let is_norm = model.fields.iter().any(|f| {
            f.name == *field && matches!(&f.kind, FieldKind::Layer(l) if l.layer.name == "RmsNorm")
        });
        let (true, [Arg::Value(sum)]) = (is_norm, &args[..]) else {
            continue;
        };
        let (sum, field) = (*sum, field.clone());
        let Some([Arg::Value(left), Arg::Value(right)]) = op_of(graph, sum, "add") else {
            continue;
        };
        let (left, right) = (*left, *right);
        // The fused operation has no broadcast.
        if graph.nodes[left].ty != graph.nodes[right].ty || graph.region(sum) != graph.region(id) {
            continue;
        }
        graph.nodes[sum].kind = Kind::ResidualNorm {
            field,
            left,
            right,
            norm: id,
        };
        graph.nodes[id].kind = Kind::With(sum);
    }
}
