//! Joins the adapters of layers that share their input.
//!
//! Tests: `tests/passes.rs`.

use crate::ir::Graph;
use crate::syntax::model::ModelDef;

/// Marks groups in which several layers may have an adapter: their A matrices become one matmul.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for (group, fields) in graph.joins.iter().enumerate() {
        let adapted = |name: &&syn::Ident| model.fields.iter().any(|f| f.name == **name && f.lora);
        if fields.iter().filter(adapted).count() > 1 {
            graph.adapters.insert(group);
        }
    }
}
