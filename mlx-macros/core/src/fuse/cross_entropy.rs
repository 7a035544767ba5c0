//! Cross entropy of a projection.

use super::{op_of, readers, together};
use crate::ir::{Arg, Graph, Id, Kind};
use crate::parse::{FieldKind, ModelDef};
use crate::signature::{Dt, Ty};

/// `cross_entropy(self.head(h), targets)`, alone or times a weight for each row, becomes one
/// operation, of which no logits are kept, where nothing else reads the logits.
pub(super) fn run(model: &ModelDef, graph: &mut Graph) {
    for id in 0..graph.nodes.len() {
        if let Some((at, fused)) = matched(model, graph, id) {
            graph.nodes[at].kind = fused;
        }
    }
}

/// The node to replace, and by what.
fn matched(model: &ModelDef, graph: &Graph, id: Id) -> Option<(Id, Kind)> {
    let [Arg::Value(logits), Arg::Value(targets), weights, Arg::Int(-1), Arg::Scalar(smoothing), Arg::Text(reduction)] =
        op_of(graph, id, "cross_entropy")?
    else {
        return None;
    };
    let plain = reduction == "none" && zero(smoothing);
    let indices = matches!(graph.nodes[*targets].ty, Ty::Tensor(_, Dt::I32 | Dt::U32));
    if !plain || !indices {
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
    let Kind::Leaf { field, args } = &graph.nodes[logits].kind else {
        return None;
    };
    let linear =
        |f: &crate::parse::Field| f.name == *field && matches!(f.kind, FieldKind::Linear { .. });
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
    };
    Some(match (weights, weighted(graph, id)) {
        (Arg::Value(w), _) if weighs(graph, *w, id) => (id, fused(Some(*w))),
        (Arg::Value(_), _) => return None,
        (_, Some((product, weights))) => (product, fused(Some(weights))),
        (_, None) => (id, fused(None)),
    })
}

fn zero(e: &syn::Expr) -> bool {
    matches!(e, syn::Expr::Lit(l) if matches!(&l.lit, syn::Lit::Float(f) if f.base10_parse::<f64>().is_ok_and(|x| x == 0.0)))
}

/// Whether there is one weight for each row: the fused operation has no broadcast.
fn weighs(graph: &Graph, weights: Id, losses: Id) -> bool {
    graph.nodes[weights].ty == graph.nodes[losses].ty
        && matches!(graph.nodes[weights].ty, Ty::Tensor(_, Dt::F32))
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
    (weighs(graph, weights, losses) && together(graph, losses, product))
        .then_some((product, weights))
}
