//! Drops values that nothing reads.
//!
//! Tests: `tests/passes.rs`.

use crate::ir::{Graph, Held, Id, Kind};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Ty;

/// Marks what the result does not need, unless it changes a cache.
pub(super) fn run(_: &ModelDef, graph: &mut Graph) {
    let mut kept = std::mem::take(&mut graph.kept);
    kept.retain(|id| {
        let node = &graph.nodes[*id];
        matches!(
            node.kind,
            Kind::CacheUpdate { .. }
                | Kind::Sub { .. }
                | Kind::Method { .. }
                | Kind::Layers { .. }
                | Kind::Loop { .. }
                | Kind::Function { .. }
                | Kind::Attention(_)
                | Kind::Held {
                    what: Held::NewState(_) | Held::Once,
                    ..
                }
        ) && node
            .inputs()
            .iter()
            .any(|i| graph.nodes[*i].ty == Ty::Cache && graph.cache_argument(*i).is_some())
    });
    graph.kept = kept;
    // A change of a cache in an arm of an `if` needs the `if`.
    let holds = |id: Id| {
        let Kind::If {
            then, otherwise, ..
        } = &graph.nodes[id].kind
        else {
            return false;
        };
        let mut kept = graph.kept.iter();
        kept.any(|k| then.holds(*k) || otherwise.holds(*k))
    };
    let around: Vec<Id> = (0..graph.nodes.len()).filter(|id| holds(*id)).collect();
    graph.kept.extend(around);
}

/// Before any pass: all that is written is kept.
pub(super) fn keep_all(graph: &mut Graph) {
    let live = graph.live();
    graph.kept = (0..graph.nodes.len())
        .filter(|id| !live.contains(id))
        .collect();
}
