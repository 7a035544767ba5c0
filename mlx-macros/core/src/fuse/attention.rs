//! Fuses attention from joined heads to joined heads.
//!
//! Tests: `tests/passes.rs`.

use std::collections::BTreeSet;

use syn::Expr;

use super::{op_of, readers, shape_of, together};
use crate::ir::{Arg, Attention, Graph, Id, Kind, Node, Window};
use crate::ops;
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::{Field, ModelDef};
use crate::syntax::signature::{Dt, Ty};

/// Heads split off, normalised, rotated, cached, attended and joined again become one operation, which the
/// runtime computes in the layout that suits the device. Norms of heads come before it.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        let Some(found) = matched(model, graph, id) else {
            continue;
        };
        let joined = graph.nodes[id].ty.clone();
        let places: Vec<Id> = found.iter().map(|f| f.place).collect();
        let updates: Vec<Id> = found.iter().map(|f| f.update).collect();
        let norms: BTreeSet<Id> = found.iter().flat_map(|f| f.norms.clone()).collect();
        let old: Vec<(Kind, Ty)> = found
            .into_iter()
            .map(|f| {
                let node = &mut graph.nodes[f.place];
                let kind =
                    std::mem::replace(&mut node.kind, Kind::Attention(Box::new(f.attention)));
                (kind, std::mem::replace(&mut node.ty, joined.clone()))
            })
            .collect();
        let branch = match places[..] {
            [one] if one == id => None,
            _ => branch(graph, id),
        };
        let before = branch.map(|b| {
            let ty = std::mem::replace(&mut graph.nodes[b].ty, joined.clone());
            (b, ty, replaced(&mut graph.nodes[id], b))
        });
        let live = graph.live();
        let only = |n: &Id, by: &[Id]| {
            let mut readers = live
                .iter()
                .filter(|r| graph.nodes[**r].inputs().contains(n));
            readers.all(|r| by.contains(r)) && graph.result != Some(*n)
        };
        // If something else reads the grown keys or values, the cache would be updated twice.
        let fits = updates.iter().all(|u| !live.contains(u))
            && norms.iter().all(|n| only(n, &places))
            && norms
                .iter()
                .all(|n| only(&graph.nodes[*n].inputs()[0], &[*n]));
        if fits {
            norms.iter().for_each(|n| of_rows(graph, *n));
            continue;
        }
        if let Some((b, ty, x)) = before {
            graph.nodes[b].ty = ty;
            replaced(&mut graph.nodes[id], x);
        }
        for (place, (kind, ty)) in places.into_iter().zip(old) {
            (graph.nodes[place].kind, graph.nodes[place].ty) = (kind, ty);
        }
    }
}

/// Attention that was found.
struct Found {
    attention: Attention,
    /// The node that it replaces.
    place: Id,
    /// The update of the cache inside of it.
    update: Id,
    /// Norms of heads in front of it.
    norms: Vec<Id>,
}

/// The `if` whose values are joined in node `id`.
fn branch(graph: &Graph, id: Id) -> Option<Id> {
    let [Arg::Value(joined), _] = op_of(graph, id, "reshape")? else {
        return None;
    };
    let attended = swapped(op_of(graph, *joined, "transpose")?)?;
    matches!(graph.nodes[attended].kind, Kind::If { .. }).then_some(attended)
}

/// Puts another value in the place of an operation's first.
fn replaced(node: &mut Node, by: Id) -> Id {
    let mut inputs = node.inputs_mut().into_iter();
    inputs.next().map_or(by, |x| std::mem::replace(x, by))
}

/// Normalises rows of joined heads before these are split off: the norm of heads takes the place of their transpose.
fn of_rows(graph: &mut Graph, norm: Id) {
    let heads = graph.nodes[norm].inputs()[0];
    let Some(split) = op_of(graph, heads, "transpose").and_then(swapped) else {
        return;
    };
    let Some([b, l, h, d]) = shape_of(graph, split).map(Vec::as_slice) else {
        return;
    };
    let joined = vec![b.clone(), l.clone(), h.times(d)];
    let ty = graph.nodes[split].ty.clone();
    let Some(reshape) = ops::find("reshape") else {
        return;
    };
    let dims = Arg::Dims(joined.clone());
    let args = vec![Arg::Value(heads), dims];
    let kind = Kind::Op { op: reshape, args };
    let mut layer = std::mem::replace(&mut graph.nodes[norm].kind, kind);
    if let Kind::Leaf { args, .. } = &mut layer {
        *args = vec![Arg::Value(split)];
    }
    graph.nodes[norm].ty = Ty::Tensor(joined, Dt::Float);
    graph.nodes[heads].kind = layer;
    graph.nodes[heads].ty = ty;
    graph.nodes[heads].name = None;
}

/// The attention that ends in node `id`: one, or one in each arm of an `if`.
fn matched(model: &ModelDef, graph: &Graph, id: Id) -> Option<Vec<Found>> {
    let [Arg::Value(joined), _] = op_of(graph, id, "reshape")? else {
        return None;
    };
    let attended = swapped(op_of(graph, *joined, "transpose")?)?;
    if let Some(one) = match_attention(model, graph, id, id, attended) {
        return Some(vec![one]);
    }
    let Kind::If {
        then, otherwise, ..
    } = &graph.nodes[attended].kind
    else {
        return None;
    };
    let ([a], [b]) = (&then.values[..], &otherwise.values[..]) else {
        return None;
    };
    // Nothing else reads the heads of either.
    let alone = readers(graph, attended) == [*joined] && readers(graph, *joined) == [id];
    let each = [(then, *a), (otherwise, *b)].map(|(arm, value)| {
        let own = arm.holds(value) && alone;
        own.then(|| match_attention(model, graph, id, value, value))?
    });
    each.into_iter().collect()
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
    let rope = |f: &Field| f.name == *field && matches!(f.kind, FieldKind::Rope { .. });
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

/// The heads before their norm, if they have one.
fn before_norm(model: &ModelDef, graph: &Graph, id: Id) -> Option<Id> {
    let Kind::Leaf { field, args, .. } = &graph.nodes[id].kind else {
        return None;
    };
    let norm = |f: &Field| {
        f.name == *field && matches!(&f.kind, FieldKind::Layer(l) if l.layer.name == "RmsNorm")
    };
    match args[..] {
        [Arg::Value(x)] if model.fields.iter().any(norm) => Some(x),
        _ => None,
    }
}

/// The attention of the value `attended`, whose heads are joined in node `id`, and which is to be computed in `place`.
fn match_attention(
    model: &ModelDef,
    graph: &Graph,
    id: Id,
    place: Id,
    attended: Id,
) -> Option<Found> {
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
    if !together(graph, update.0, place)
        || rope != other
        || cache != other_cache
        || cache != update.1
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
    let mut norms = Vec::new();
    let mut source = |id: Id| match before_norm(model, graph, id) {
        Some(heads) => {
            before_heads(graph, heads, &head_dim)?;
            norms.push(id);
            Some(id)
        }
        None => before_heads(graph, id, &head_dim),
    };
    let (q, k) = (source(q)?, source(k)?);
    let found = Attention {
        rope: rope.clone(),
        q,
        k,
        v: before_heads(graph, v, &head_dim)?,
        cache,
        head_dim,
        scale: scale.clone(),
        window,
        whole: false,
        parts_of: None,
    };
    let parts_of = parts_of(graph, &found);
    Some(Found {
        attention: Attention { parts_of, ..found },
        place,
        update: update.0,
        norms,
    })
}
