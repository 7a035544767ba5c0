//! Records what each pass rewrote, by comparing the graph before and after it.
//!
//! Tests: `tests/passes.rs`; `mlx-tests --test explain`.

use std::collections::BTreeSet;
use std::mem::{discriminant, Discriminant};

use crate::ir::{Graph, Id, Kind};

/// The parts of a node in which it can change.
#[derive(PartialEq)]
struct Mark {
    kind: Discriminant<Kind>,
    op: &'static str,
    inputs: Vec<Id>,
    with_adapters: bool,
    dequantize: bool,
}

impl Mark {
    fn of(graph: &Graph, id: Id) -> Self {
        let node = &graph.nodes[id];
        Mark {
            kind: discriminant(&node.kind),
            op: match &node.kind {
                Kind::Op { op, .. } => op.name,
                _ => "",
            },
            inputs: node.inputs(),
            with_adapters: matches!(&node.kind, Kind::Joined { group, .. } if graph.joins[*group].adapters),
            dequantize: node.dequantizes(),
        }
    }
}

/// A graph before a pass.
pub(super) struct Before {
    marks: Vec<Mark>,
    live: BTreeSet<Id>,
}

impl Before {
    pub(super) fn of(graph: &Graph) -> Self {
        Before {
            marks: (0..graph.nodes.len())
                .map(|id| Mark::of(graph, id))
                .collect(),
            live: graph.live(),
        }
    }

    /// Notes at each node that `pass` rewrote which nodes went into it.
    pub(super) fn record(self, pass: &'static str, graph: &mut Graph) {
        let after = graph.live();
        let changed: Vec<Id> = after
            .iter()
            .copied()
            .filter(|id| self.marks.get(*id) != Some(&Mark::of(graph, *id)))
            .collect();
        for id in changed {
            let mut absorbed = BTreeSet::new();
            let mut todo = vec![id];
            while let Some(mark) = todo.pop().and_then(|id| self.marks.get(id)) {
                for input in &mark.inputs {
                    let gone = self.live.contains(input) && !after.contains(input);
                    if gone && absorbed.insert(*input) {
                        todo.push(*input);
                    }
                }
            }
            // Records of earlier passes come along.
            let inner: Vec<Id> = absorbed
                .iter()
                .filter_map(|a| graph.fused.get(a))
                .flat_map(|f| f.absorbed.iter().copied())
                .collect();
            let fused = graph.fused.entry(id).or_default();
            fused.passes.push(pass);
            fused.absorbed.extend(absorbed);
            fused.absorbed.extend(inner);
        }
    }
}
