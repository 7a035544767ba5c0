//! Norms in fields as operations, so that a kernel computes them with what stands around them.
//!
//! A norm that no region takes is a layer again: that has kernels of its own.
//!
//! Tests: `tests/regions.rs`; `mlx-tests --test kernels`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use crate::ir::{Arg, Graph, Id, Kind, Node, Tier};
use crate::ops;
use crate::syntax::condition;
use crate::syntax::kind::FieldKind;
use crate::syntax::layers::{Held, Setting};
use crate::syntax::literals::literal;
use crate::syntax::logic::Facts;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Ty};

/// A norm as its field defines it.
struct Norm<'m> {
    held: &'m Held,
    field: &'m Ident,
    /// The facts that hold where the field is.
    facts: Facts,
}

/// Makes operations of the norms that stand beside others.
pub(super) fn expand(model: &ModelDef, graph: &mut Graph) {
    let mut id = 0;
    while id < graph.nodes.len() {
        if let Some(found) = leaf(model, graph, id) {
            if beside(model, graph, id) {
                id += replace(graph, id, found).unwrap_or(0);
            }
        }
        id += 1;
    }
}

/// Makes layers of the norms that are in no kernel.
pub(super) fn collapse(graph: &mut Graph) {
    for id in graph.live() {
        let Kind::Op { op, args } = &graph.nodes[id].kind else {
            continue;
        };
        let (Some(Arg::Value(x)), Some(Arg::Value(w))) = (args.first(), args.get(1)) else {
            continue;
        };
        if !matches!(op.name, "rms_norm" | "layer_norm") {
            continue;
        }
        let of = match &graph.nodes[*w].kind {
            Kind::Op { op, args } if op.name == "add" => args.first().map_or(*w, |a| a.values()[0]),
            _ => *w,
        };
        if let Kind::Weight { field, .. } = &graph.nodes[of].kind {
            graph.nodes[id].kind = Kind::Leaf {
                field: field.clone(),
                args: vec![Arg::Value(*x)],
                dequantize: false,
            };
        }
    }
}

/// The norm that a node is.
fn leaf<'m>(model: &'m ModelDef, graph: &Graph, id: Id) -> Option<Norm<'m>> {
    let Kind::Leaf { field, args, .. } = &graph.nodes[id].kind else {
        return None;
    };
    let ([Arg::Value(_)], Ty::Tensor(_, Dt::Float)) = (&args[..], &graph.nodes[id].ty) else {
        return None;
    };
    let found = model.fields.iter().find(|f| f.name == *field)?;
    let FieldKind::Layer(held) = &found.kind else {
        return None;
    };
    let (field, facts) = (&found.name, model.facts_of(found));
    match (held.layer.name, &held.options[..]) {
        ("RmsNorm", [Setting::Number(_), Setting::Number(_)]) => {}
        ("LayerNorm", [Setting::Number(_), Setting::Flag(Expr::Lit(_))]) => {}
        _ => return None,
    }
    // A number of the method may have the name of one of the config.
    let names = |e: &Expr| -> Vec<String> {
        let words = |t: TokenStream| t.into_iter().map(|t| t.to_string()).collect();
        words(e.to_token_stream())
    };
    let own: Vec<String> = held.numbers().flat_map(names).collect();
    let mut numbers = graph.nodes.iter().filter(|n| n.ty.is_number());
    let taken = numbers.any(|n| matches!(&n.kind, Kind::Input(i) if own.contains(&i.to_string())));
    (!taken).then_some(Norm { held, field, facts })
}

/// True if an operation of the row tier stands before a node, or reads it.
fn beside(model: &ModelDef, graph: &Graph, id: Id) -> bool {
    let works = |id: Id| match &graph.nodes[id].kind {
        Kind::Op { op, .. } => {
            !matches!(op.tier, Tier::Launch | Tier::View | Tier::Created)
                && !op.keeps.view
                && !super::OWN.contains(&op.name)
        }
        _ => leaf(model, graph, id).is_some(),
    };
    let before = || graph.nodes[id].inputs().into_iter().any(works);
    let reads = |r: Id| works(r) && graph.nodes[r].inputs().contains(&id);
    before() || graph.live().into_iter().any(reads)
}

/// Puts an operation in the place of a norm. Returns the number of nodes before it that came.
fn replace(graph: &mut Graph, id: Id, norm: Norm<'_>) -> Option<usize> {
    let (span, x) = (graph.nodes[id].span, graph.nodes[id].inputs()[0]);
    let node = |kind: Kind| Node {
        kind,
        ty: Ty::Tensor(vec![norm.held.dims[0].clone()], Dt::Float),
        span,
        name: None,
    };
    let weight = |bias: bool| {
        let field = norm.field.clone();
        node(Kind::Weight { field, bias })
    };
    let at = graph.nodes.len();
    let mut added = vec![weight(false)];
    let (mut scale, mut bias) = (at, Arg::Absent);
    match &norm.held.options[1] {
        Setting::Number(offset) if literal(offset) != Some(0.0) => {
            let expr = condition::guarded(offset, &norm.facts);
            let args = vec![Arg::Value(at), Arg::Weak { expr, like: at }];
            added.push(node(Kind::Op {
                op: ops::find("add")?,
                args,
            }));
            scale = at + 1;
        }
        Setting::Flag(Expr::Lit(l)) if matches!(&l.lit, syn::Lit::Bool(b) if b.value) => {
            added.push(weight(true));
            bias = Arg::Value(at + 1);
        }
        _ => {}
    }
    let Some(Setting::Number(eps)) = norm.held.options.first() else {
        return None;
    };
    let eps = Arg::Scalar(condition::guarded(eps, &norm.facts));
    let (x, scale) = (Arg::Value(x), Arg::Value(scale));
    let (name, args) = match norm.held.layer.name {
        "RmsNorm" => ("rms_norm", vec![x, scale, eps]),
        _ => ("layer_norm", vec![x, scale, bias, eps]),
    };
    let op = ops::find(name)?;
    let count = added.len();
    graph.nodes[id].kind = Kind::Op { op, args };
    graph.put_before(id, added);
    Some(count)
}
