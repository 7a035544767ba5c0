//! Joins the adapters of layers that share their input.
//!
//! Tests: `tests/passes.rs`.

use crate::ir::Graph;
use crate::syntax::model::ModelDef;

/// The A matrices of a group become one matmul if several of its layers may have an adapter.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for join in &mut graph.joins {
        let adapted = |name: &&syn::Ident| model.fields.iter().any(|f| f.name == **name && f.lora);
        join.adapters = join.fields.iter().filter(adapted).count() > 1;
    }
}
