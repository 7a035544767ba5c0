//! What a forward pass keeps for the backward pass, as polynomials in the dims: from these the
//! runtime decides where a stack of layers is cut.

use syn::Ident;

use crate::dims::{volume, Dim, Shape};
use crate::fuse::live;
use crate::ir::{Graph, Id, Kind};
use crate::parse::{FieldKind, ModelDef};
use crate::signature::{Dt, Ty};

/// What one call of `forward` keeps.
#[derive(Debug, Default, PartialEq)]
pub struct Saved {
    /// Values in the activations' dtype.
    pub values: Dim,
    /// Scores of attention, kept only where it is not computed in tiles.
    pub scores: Dim,
    /// Sub-models, with the shape of what they are given.
    pub models: Vec<(Ident, Shape)>,
}

/// A value is kept if the gradient of an operation that reads it needs it.
pub fn saved(model: &ModelDef, graph: &Graph) -> Saved {
    let mut out = Saved::default();
    let live = live(graph);
    let readers = |id: Id| {
        live.iter()
            .map(|r| &graph.nodes[*r])
            .filter(move |n| n.inputs().contains(&id))
    };
    for id in &live {
        let node = &graph.nodes[*id];
        if let Ty::Tensor(shape, Dt::Float | Dt::F32) = &node.ty {
            if readers(*id).any(|r| needs_inputs(model, &r.kind)) {
                out.values = out.values.plus(&volume(shape));
            }
        }
        match &node.kind {
            Kind::Sub { field, args, .. } => {
                let first = args.first().and_then(|a| a.values().first().copied());
                if let Some(Ty::Tensor(shape, _)) = first.map(|id| &graph.nodes[id].ty) {
                    out.models.push((field.clone(), shape.clone()));
                }
            }
            Kind::Attention(a) => {
                // Rotated queries and keys, and the scores of each head.
                for id in [a.q, a.k] {
                    if let Ty::Tensor(shape, _) = &graph.nodes[id].ty {
                        out.values = out.values.plus(&volume(shape));
                    }
                }
                if let Ty::Tensor(shape, _) = &node.ty {
                    if let Some(rows) = volume(shape).divided_by(&a.head_dim) {
                        out.scores = out.scores.plus(&rows.times(&shape[1]));
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// Whether the gradient of an operation reads the operation's inputs.
fn needs_inputs(model: &ModelDef, kind: &Kind) -> bool {
    let adapted = |field: &Ident| {
        model.fields.iter().any(|f| {
            f.name == *field
                && (f.lora || !matches!(f.kind, FieldKind::Linear { .. } | FieldKind::Rope { .. }))
        })
    };
    match kind {
        Kind::Op { op, .. } => !matches!(
            op.name,
            "add"
                | "subtract"
                | "negative"
                | "reshape"
                | "transpose"
                | "swapaxes"
                | "expand_dims"
                | "squeeze"
                | "broadcast_to"
                | "concatenate"
                | "stack"
                | "split"
                | "sum"
                | "mean"
                | "astype"
                | "contiguous"
                | "stop_gradient"
        ),
        Kind::Leaf { field, .. } | Kind::Joined { field, .. } => adapted(field),
        Kind::Attention(_) | Kind::LinearCrossEntropy { .. } | Kind::With(_) => true,
        _ => false,
    }
}
