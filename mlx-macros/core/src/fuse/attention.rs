//! Fuses attention from joined heads to joined heads.
//!
//! Tests: `tests/passes.rs`.

use syn::Expr;

use super::{op_of, shape_of, together};
use crate::ir::{Arg, Attention, Graph, Id, Kind, Window};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Ty;

/// Heads split off, rotated, cached, attended and joined again become one operation, which the
/// runtime computes in the layout that suits the device.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        let Some((found, update)) = match_attention(model, graph, id) else {
            continue;
        };
        let fused = Kind::Attention(Box::new(found));
        let old = std::mem::replace(&mut graph.nodes[id].kind, fused);
        // If something else reads the grown keys or values, the cache would be updated twice.
        if graph.live().contains(&update) {
            graph.nodes[id].kind = old;
        }
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
    let Kind::Leaf { field, args, .. } = &graph.nodes[id].kind else {
        return None;
    };
    let rope = |f: &crate::syntax::model::Field| {
        f.name == *field && matches!(f.kind, FieldKind::Rope { .. })
    };
    match args[..] {
        [Arg::Value(x), Arg::Value(cache)] if model.fields.iter().any(rope) => {
            Some((field, x, cache))
        }
        _ => None,
    }
}

/// The arguments of causal attention, and its window: one operation, or two that differ in the window, in the arms of an `if`.
fn masked(graph: &Graph, id: Id) -> Option<(&[Arg], Option<Window>)> {
    let Kind::If {
        condition,
        then,
        otherwise,
    } = &graph.nodes[id].kind
    else {
        return attended(graph, id).map(|(args, count)| {
            let window = count.map(|count| Window { count, only: None });
            (args, window)
        });
    };
    let ([a], [b]) = (&then.values[..], &otherwise.values[..]) else {
        return None;
    };
    let ((args, window), (others, other)) = (attended(graph, *a)?, attended(graph, *b)?);
    let alike = args.iter().zip(others).enumerate();
    let mut alike = alike.filter(|(i, _)| *i != MASK);
    if !then.holds(*a) || !otherwise.holds(*b) || !alike.all(|(_, (a, b))| same(a, b)) {
        return None;
    }
    let (count, holds) = match (window, other) {
        (Some(count), None) => (count, true),
        (None, Some(count)) => (count, false),
        _ => return None,
    };
    let only = Some((condition.clone(), holds));
    Some((args, Some(Window { count, only })))
}

/// The place of the mask among attention's arguments.
const MASK: usize = 3;

/// The arguments of causal attention without sinks, and the count of its window if it has one.
fn attended(graph: &Graph, id: Id) -> Option<(&[Arg], Option<Expr>)> {
    let args = op_of(graph, id, "scaled_dot_product_attention")?;
    match args {
        [_, _, _, Arg::Causal, _, Arg::Absent] => Some((args, None)),
        [_, _, _, Arg::Sliding(count), _, Arg::Absent] => Some((args, Some(count.clone()))),
        _ => None,
    }
}

fn same(a: &Arg, b: &Arg) -> bool {
    match (a, b) {
        (Arg::Value(a), Arg::Value(b)) => a == b,
        (Arg::Scalar(a), Arg::Scalar(b)) => a == b,
        (Arg::Absent, Arg::Absent) => true,
        _ => false,
    }
}

/// The value that queries, keys and values are all parts of.
fn parts_of(graph: &Graph, a: &Attention) -> Option<Id> {
    let part = |id: Id| match graph.nodes[id].kind {
        Kind::Item(of, i) => Some((of, i)),
        _ => None,
    };
    let (split, first) = part(a.q)?;
    let others = [part(a.k)?, part(a.v)?];
    let [Arg::Value(whole), _, axis] = op_of(graph, split, "split")? else {
        return None;
    };
    let Ty::Tuple(parts) = &graph.nodes[split].ty else {
        return None;
    };
    let last = matches!(axis, Arg::Int(-1 | 2));
    (last && parts.len() == 3 && first == 0 && others == [(split, 1), (split, 2)]).then_some(*whole)
}

/// The pattern that ends in node `id`, and the update of the cache inside of it.
fn match_attention(model: &ModelDef, graph: &Graph, id: Id) -> Option<(Attention, Id)> {
    let [Arg::Value(joined), _] = op_of(graph, id, "reshape")? else {
        return None;
    };
    let attended = swapped(op_of(graph, *joined, "transpose")?)?;
    let ([q, k, v, _, scale, _], window) = masked(graph, attended)? else {
        return None;
    };
    let (Arg::Value(q), Arg::Value(k), Arg::Value(v)) = (q, k, v) else {
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
    // One layer of positions and one cache, the one that is updated whenever this is computed.
    if !together(graph, update.0, id) || rope != other || cache != other_cache || cache != update.1
    {
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
        window,
        whole: false,
        parts_of: None,
    };
    let parts_of = parts_of(graph, &found);
    Some((Attention { parts_of, ..found }, update.0))
}
