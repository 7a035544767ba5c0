//! Takes tuples of arguments apart: `(x, mask): (Tensor![..], Tensor![..])` is two arguments, and `layer((x, mask))` gives
//! two.
//!
//! Tests: `mlx-tests --test parts`.

use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, FnArg, ImplItem, ItemImpl, Pat, PatType, Signature, Token, Type};

use crate::ops;

/// The methods of an impl without tuples.
pub fn of_impl(item: &mut ItemImpl) {
    for item in &mut item.items {
        if let ImplItem::Fn(f) = item {
            apart(&mut f.sig, &mut f.block);
        }
    }
}

/// A method or function without tuples.
pub fn apart(sig: &mut Signature, body: &mut Block) {
    let inputs = std::mem::take(&mut sig.inputs);
    for arg in inputs {
        match arg {
            FnArg::Typed(a) => sig.inputs.extend(parts(a).into_iter().map(FnArg::Typed)),
            receiver => sig.inputs.push(receiver),
        }
    }
    Calls.visit_block_mut(body);
}

/// The arguments in one whose pattern and type are tuples of one length.
fn parts(a: PatType) -> Vec<PatType> {
    match (&*a.pat, &*a.ty) {
        (Pat::Tuple(p), Type::Tuple(t)) if p.elems.len() == t.elems.len() => {
            let each = p.elems.iter().zip(&t.elems).flat_map(|(pat, ty)| {
                parts(PatType {
                    attrs: vec![],
                    pat: Box::new(pat.clone()),
                    colon_token: a.colon_token,
                    ty: Box::new(ty.clone()),
                })
            });
            each.collect()
        }
        _ => vec![a],
    }
}

struct Calls;

impl VisitMut for Calls {
    fn visit_expr_mut(&mut self, e: &mut Expr) {
        visit_mut::visit_expr_mut(self, e);
        match e {
            Expr::MethodCall(m) if of_model(&m.receiver) => flatten(&mut m.args),
            Expr::Call(c) => {
                let op = matches!(&*c.func, Expr::Path(p) if p.path.get_ident().is_some_and(|n| ops::find(&n.to_string()).is_some()));
                if !op {
                    flatten(&mut c.args);
                }
            }
            _ => {}
        }
    }
}

/// True of `self` and its fields, whose methods take tensors.
fn of_model(receiver: &Expr) -> bool {
    match receiver {
        Expr::Path(p) => p.path.is_ident("self"),
        Expr::Field(f) => of_model(&f.base),
        _ => false,
    }
}

fn flatten(args: &mut Punctuated<Expr, Token![,]>) {
    let all = std::mem::take(args);
    for e in all {
        match e {
            Expr::Tuple(t) if !t.elems.is_empty() => {
                let mut inner = t.elems;
                flatten(&mut inner);
                args.extend(inner);
            }
            e => args.push(e),
        }
    }
}
