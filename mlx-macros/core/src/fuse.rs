//! What the graph can do in fewer, bigger operations. Each pass takes a graph and leaves one that
//! computes the same values.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::{Arg, Graph, Id, Kind};
use crate::ops;
use crate::parse::{FieldKind, ModelDef};

/// Runs all passes.
pub fn run(model: &ModelDef, graph: &mut Graph) {
    swiglu(graph);
    join_projections(model, graph);
}

/// `silu(gate) * up` becomes one operation with a gradient of its own, so that the backward pass
/// keeps two arrays instead of five.
pub fn swiglu(graph: &mut Graph) {
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

/// Linear layers that read the same value become one matmul with a joined weight: fewer, better
/// shaped products, and one instead of several sums in the backward pass.
pub fn join_projections(model: &ModelDef, graph: &mut Graph) {
    let mut by_input: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        if let Some(f) = node.field() {
            *uses.entry(f.to_string()).or_default() += 1;
        }
        if let Kind::Leaf { field, args } = &node.kind {
            let joinable = model.fields.iter().any(|f| {
                f.name == *field && f.tied.is_none() && matches!(f.kind, FieldKind::Linear { .. })
            });
            if let (true, Some(Arg::Value(x))) = (joinable, args.first()) {
                by_input.entry(*x).or_default().push(id);
            }
        }
    }
    for (input, mut ids) in by_input {
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
            };
        }
        graph.joins.push(fields);
    }
}

/// The nodes that the result needs.
pub fn live(graph: &Graph) -> BTreeSet<Id> {
    let mut live = BTreeSet::new();
    let mut todo: Vec<Id> = graph.result.into_iter().collect();
    while let Some(id) = todo.pop() {
        if live.insert(id) {
            todo.extend(graph.nodes[id].inputs());
        }
    }
    live
}
