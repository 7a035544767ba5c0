//! Fuses the cross entropy of a projection.
//!
//! Tests: `tests/passes.rs`.

use super::{op_of, readers, together};
use crate::ir::{Arg, Graph, Id, Kind};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Ty};

/// `cross_entropy(self.head(h), targets)`, also with a weight for each row and soft-capped logits
/// (`tanh(z / cap) * cap`), becomes one operation, of which no logits are kept, where nothing else reads the logits.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        if let Some((at, fused)) = matched(model, graph, id) {
            graph.nodes[at].kind = fused;
        }
    }
}

/// The node to replace, and by what.
fn matched(model: &ModelDef, graph: &Graph, id: Id) -> Option<(Id, Kind)> {
    let [Arg::Value(logits), Arg::Value(targets), weights, Arg::Int(axis), Arg::Scalar(smoothing), Arg::Text(reduction)] =
        op_of(graph, id, "cross_entropy")?
    else {
        return None;
    };
    let Ty::Tensor(shape, _) = &graph.nodes[*logits].ty else {
        return None;
    };
    let last = *axis == -1 || usize::try_from(*axis).is_ok_and(|a| a + 1 == shape.len());
    let index = matches!(graph.nodes[*targets].ty, Ty::Tensor(_, Dt::I32 | Dt::U32));
    if !(last && index && is_zero(smoothing)) {
        return None;
    }
    let mut logits = *logits;
    if readers(graph, logits) != [id] {
        return None;
    }
    // The operation takes the logits in float32 anyway.
    if let Some([Arg::Value(x), Arg::Dtype(Dt::F32)]) = op_of(graph, logits, "astype") {
        if readers(graph, *x) != [logits] {
            return None;
        }
        logits = *x;
    }
    let cap = match soft_cap(graph, logits) {
        Some((z, cap)) => {
            logits = z;
            Some(cap.clone())
        }
        None => None,
    };
    let Kind::Leaf { field, args, .. } = &graph.nodes[logits].kind else {
        return None;
    };
    let linear = |f: &crate::syntax::model::Field| {
        f.name == *field && matches!(f.kind, FieldKind::Linear { .. })
    };
    let (true, [Arg::Value(input)]) = (model.fields.iter().any(linear), &args[..]) else {
        return None;
    };
    if !together(graph, logits, id) {
        return None;
    }
    let fused = |weights| Kind::LinearCrossEntropy {
        field: field.clone(),
        input: *input,
        targets: *targets,
        weights,
        cap: cap.clone(),
        reduction: (reduction != "none").then(|| reduction.clone()),
    };
    match weights {
        Arg::Value(w) => {
            let wide = matches!(graph.nodes[*w].ty, Ty::Tensor(_, Dt::F32));
            (wide && constant(graph, *w)).then(|| (id, fused(Some(*w))))
        }
        _ if reduction != "none" => Some((id, fused(None))),
        _ => Some(match weighted(graph, id) {
            Some((product, weights)) => (product, fused(Some(weights))),
            None => (id, fused(None)),
        }),
    }
}

/// The logits and the cap of `tanh(logits / cap) * cap`, where nothing else reads what is between.
fn soft_cap(graph: &Graph, id: Id) -> Option<(Id, &syn::Expr)> {
    let (tanh, cap) = by_number(graph, id, "multiply")?;
    let [Arg::Value(quotient)] = op_of(graph, tanh, "tanh")? else {
        return None;
    };
    let (logits, same) = by_number(graph, *quotient, "divide")?;
    let once = |of: Id, by: Id| readers(graph, of) == [by];
    let chain = once(logits, *quotient) && once(*quotient, tanh) && once(tanh, id);
    (cap == same && chain).then_some((logits, cap))
}

/// The value and the number of an operation of both.
fn by_number<'g>(graph: &'g Graph, id: Id, name: &str) -> Option<(Id, &'g syn::Expr)> {
    match op_of(graph, id, name)? {
        [Arg::Value(x), Arg::Weak { expr, .. }] => Some((*x, expr)),
        [Arg::Weak { expr, .. }, Arg::Value(x)] if name == "multiply" => Some((*x, expr)),
        _ => None,
    }
}

fn is_zero(e: &syn::Expr) -> bool {
    match e {
        syn::Expr::Lit(l) => match &l.lit {
            syn::Lit::Float(x) => x.base10_parse::<f64>().is_ok_and(|x| x == 0.0),
            syn::Lit::Int(x) => x.base10_parse::<u64>().is_ok_and(|x| x == 0),
            _ => false,
        },
        _ => false,
    }
}

/// True if a value comes from the caller: the fused operation has no gradient for its weights.
fn constant(graph: &Graph, id: Id) -> bool {
    matches!(graph.nodes[id].kind, Kind::Input(_))
}

/// The product that alone reads the losses, and its other side: rows of weight 0 cost nothing then.
fn weighted(graph: &Graph, losses: Id) -> Option<(Id, Id)> {
    let [product] = readers(graph, losses)[..] else {
        return None;
    };
    let [Arg::Value(a), Arg::Value(b)] = op_of(graph, product, "multiply")? else {
        return None;
    };
    let weights = match (*a == losses, *b == losses) {
        (true, false) => *b,
        (false, true) => *a,
        _ => return None,
    };
    // The fused operation has no broadcast.
    let same = constant(graph, weights)
        && graph.nodes[weights].ty == graph.nodes[losses].ty
        && matches!(graph.nodes[weights].ty, Ty::Tensor(_, Dt::F32));
    (same && together(graph, losses, product)).then_some((product, weights))
}
