//! Lets projections dequantise packed weights.
//!
//! Tests: `tests/passes.rs`.

use crate::ir::{Graph, Kind};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;

/// Every projection may: how many rows it gets is known when it runs.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    let linear = |name: &syn::Ident| {
        let mut fields = model.fields.iter();
        fields.any(|f| f.name == *name && matches!(f.kind, FieldKind::Linear { .. }))
    };
    for node in &mut graph.nodes {
        match &mut node.kind {
            Kind::Leaf {
                field, dequantize, ..
            } => *dequantize = linear(field),
            Kind::Joined { dequantize, .. } => *dequantize = true,
            _ => {}
        }
    }
}
