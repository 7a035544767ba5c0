//! What the graph can do in fewer, bigger operations. Each pass takes a graph and leaves one that
//! computes the same values.

use std::collections::{BTreeMap, BTreeSet};

use crate::dims::{is_free, Dim, Shape};
use crate::ir::{Arg, Attention, Graph, Id, Kind};
use crate::ops;
use crate::parse::{FieldKind, ModelDef};
use crate::signature::{Dt, Ty};

/// Runs all passes.
pub fn run(model: &ModelDef, graph: &mut Graph) {
    swiglu(graph);
    attention(model, graph);
    join_projections(model, graph);
    residual_norm(model, graph);
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

/// Heads split off, rotated, cached, attended and joined again become one operation, which the
/// runtime computes in the layout that suits the device.
pub fn attention(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        let Some((found, update)) = match_attention(model, graph, id) else {
            continue;
        };
        let fused = Kind::Attention(Box::new(found));
        let old = std::mem::replace(&mut graph.nodes[id].kind, fused);
        // If something else reads the grown keys or values, the cache would be updated twice.
        if live(graph).contains(&update) {
            graph.nodes[id].kind = old;
        }
    }
}

/// The arguments of an operation called `name`.
fn op_of<'g>(graph: &'g Graph, id: Id, name: &str) -> Option<&'g [Arg]> {
    match &graph.nodes[id].kind {
        Kind::Op { op, args } if op.name == name => Some(args),
        _ => None,
    }
}

fn shape_of(graph: &Graph, id: Id) -> Option<&Shape> {
    match &graph.nodes[id].ty {
        Ty::Tensor(s, Dt::Float) => Some(s),
        _ => None,
    }
}

fn swapped(args: &[Arg]) -> Option<Id> {
    match args {
        [Arg::Value(x), Arg::Ints(axes)] if axes[..] == [0, 2, 1, 3] => Some(*x),
        _ => None,
    }
}

/// The `[B, L, heads * head_dim]` behind a value that was split into heads of that size.
fn before_heads(graph: &Graph, id: Id, head_dim: &Dim) -> Option<Id> {
    let split = swapped(op_of(graph, id, "transpose")?)?;
    let [Arg::Value(x), _] = op_of(graph, split, "reshape")? else {
        return None;
    };
    match (&shape_of(graph, *x)?[..], &shape_of(graph, split)?[..]) {
        ([b, l, _], [b2, l2, _, d]) if b == b2 && l == l2 && d == head_dim => Some(*x),
        _ => None,
    }
}

/// The tensor and cache that a `Rope` rotates.
fn rotated<'g>(model: &ModelDef, graph: &'g Graph, id: Id) -> Option<(&'g syn::Ident, Id, Id)> {
    let Kind::Leaf { field, args } = &graph.nodes[id].kind else {
        return None;
    };
    let rope =
        |f: &crate::parse::Field| f.name == *field && matches!(f.kind, FieldKind::Rope { .. });
    match args[..] {
        [Arg::Value(x), Arg::Value(cache)] if model.fields.iter().any(rope) => {
            Some((field, x, cache))
        }
        _ => None,
    }
}

/// The pattern that ends in node `id`, and the update of the cache inside of it.
fn match_attention(model: &ModelDef, graph: &Graph, id: Id) -> Option<(Attention, Id)> {
    let [Arg::Value(joined), _] = op_of(graph, id, "reshape")? else {
        return None;
    };
    let attended = swapped(op_of(graph, *joined, "transpose")?)?;
    let [Arg::Value(q), Arg::Value(k), Arg::Value(v), Arg::Causal, scale] =
        op_of(graph, attended, "scaled_dot_product_attention")?
    else {
        return None;
    };
    let (update, k, v) = match (&graph.nodes[*k].kind, &graph.nodes[*v].kind) {
        (Kind::Item(a, 0), Kind::Item(b, 1)) if a == b => match graph.nodes[*a].kind {
            Kind::CacheUpdate {
                keys,
                values,
                cache,
            } => ((*a, cache), keys, values),
            _ => return None,
        },
        _ => return None,
    };
    let (rope, q, cache) = rotated(model, graph, *q)?;
    let (other, k, other_cache) = rotated(model, graph, k)?;
    // One layer of positions and one cache, the one that is updated.
    if rope != other || cache != other_cache || cache != update.1 {
        return None;
    }
    // The heads must be joined as they were split: [B, H, L, D] to [B, L, H * D].
    let (heads, out) = (shape_of(graph, attended)?, shape_of(graph, id)?);
    let head_dim = heads.last()?.clone();
    let joined = [
        heads[0].clone(),
        heads[2].clone(),
        heads[1].times(&head_dim),
    ];
    if out[..] != joined || head_dim.names().iter().any(|n| is_free(n)) {
        return None;
    }
    let found = Attention {
        rope: rope.clone(),
        q: before_heads(graph, q, &head_dim)?,
        k: before_heads(graph, k, &head_dim)?,
        v: before_heads(graph, v, &head_dim)?,
        cache,
        head_dim,
        scale: scale.clone(),
    };
    Some((found, update.0))
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

/// A residual sum and the norm of it become one pass over the data, forward and backward.
pub fn residual_norm(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        let Kind::Leaf { field, args } = &graph.nodes[id].kind else {
            continue;
        };
        let is_norm = model
            .fields
            .iter()
            .any(|f| f.name == *field && matches!(f.kind, FieldKind::RmsNorm { .. }));
        let (true, [Arg::Value(sum)]) = (is_norm, &args[..]) else {
            continue;
        };
        let (sum, field) = (*sum, field.clone());
        let Some([Arg::Value(left), Arg::Value(right)]) = op_of(graph, sum, "add") else {
            continue;
        };
        let (left, right) = (*left, *right);
        // The fused operation has no broadcast.
        if graph.nodes[left].ty != graph.nodes[right].ty {
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
