//! Hands joined products whole to the operation that reads them.
//!
//! Tests: `tests/passes.rs`.

use super::{readers, together};
use crate::ir::{Arg, Graph, Id, Kind};
use crate::syntax::model::ModelDef;

/// If nothing but attention reads joined queries, keys and values, or nothing but a gated unit
/// a joined gate, the product is not cut in parts before it: on a GPU one kernel reads it whole,
/// and in the backward pass one kernel writes its gradient whole.
pub(super) fn run(_: &ModelDef, graph: &mut Graph) {
    for group in 0..graph.joins.len() {
        let members = graph.members(group);
        let Some(reader) = only_reader(graph, &members) else {
            continue;
        };
        match &mut graph.nodes[reader].kind {
            Kind::Attention(a) if [a.q, a.k, a.v] == members[..] => a.whole = true,
            Kind::Op { op, args }
                if ["swiglu", "geglu"].contains(&op.name)
                    && args
                        .iter()
                        .flat_map(Arg::values)
                        .eq(members.iter().copied()) =>
            {
                *args = vec![Arg::Whole(members)];
            }
            _ => {}
        }
    }
}

/// The node that reads all of these, if no other reads any, and it runs whenever they do.
fn only_reader(graph: &Graph, members: &[Id]) -> Option<Id> {
    let first = *readers(graph, *members.first()?).first()?;
    let same = members.iter().all(|m| {
        readers(graph, *m) == [first] && first < graph.nodes.len() && together(graph, *m, first)
    });
    same.then_some(first)
}
