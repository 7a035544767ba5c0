//! Joins projections that share their input.
//!
//! Tests: `tests/passes.rs`.

use std::collections::BTreeMap;

use crate::ir::{Arg, Graph, Id, Join, Kind};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;

/// The value that layers read, and the arm of an `if` that they are in.
type Input = (Id, Option<(Id, Id)>);

/// Linear layers that read the same value become one matmul with a joined weight: fewer, better
/// shaped products, and one instead of several sums in the backward pass.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    // A value of one arm of an `if` is not there for others.
    let mut by_input: BTreeMap<Input, Vec<Id>> = BTreeMap::new();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        if let Some(f) = node.field() {
            *uses.entry(f.to_string()).or_default() += 1;
        }
        if let Kind::Leaf { field, args, .. } = &node.kind {
            let joinable = model.fields.iter().any(|f| {
                f.name == *field
                    && f.tied.is_none()
                    && f.when.is_none()
                    && matches!(f.kind, FieldKind::Linear { .. })
            });
            if let (true, Some(Arg::Value(x))) = (joinable, args.first()) {
                by_input.entry((*x, graph.region(id))).or_default().push(id);
            }
        }
    }
    for ((input, _), mut ids) in by_input {
        ids.retain(|id| {
            graph.nodes[*id]
                .field()
                .is_some_and(|f| uses[&f.to_string()] == 1)
        });
        if ids.len() < 2 {
            continue;
        }
        let group = graph.joins.len();
        let mut fields = Vec::new();
        for (index, id) in ids.into_iter().enumerate() {
            let Some(field) = graph.nodes[id].field().cloned() else {
                continue;
            };
            fields.push(field.clone());
            graph.nodes[id].kind = Kind::Joined {
                field,
                input,
                group,
                index,
                dequantize: false,
            };
        }
        graph.joins.push(Join {
            fields,
            adapters: false,
        });
    }
}
