//! Lets projections dequantise packed weights.
//!
//! Tests: `tests/passes.rs`.

use crate::ir::{Graph, Kind};
use crate::syntax::model::{FieldKind, ModelDef};

/// Marks the projections: how many rows they get is known when they run.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    let linear = |name: &syn::Ident| {
        let mut fields = model.fields.iter();
        fields.any(|f| f.name == *name && matches!(f.kind, FieldKind::Linear { .. }))
    };
    for (id, node) in graph.nodes.iter().enumerate() {
        let projects = match &node.kind {
            Kind::Leaf { field, .. } => linear(field),
            Kind::Joined { .. } => true,
            _ => false,
        };
        if projects {
            graph.dequantized.insert(id);
        }
    }
}
