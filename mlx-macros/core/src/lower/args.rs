//! Writes arguments: numbers, sizes, tensors.
//!
//! Tests: `tests/llama.rs`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, ToTokens};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Ident};

use super::{config, config_size, layer, Lower};
use crate::ir::{Arg, Graph, Kind};
use crate::syntax::condition;
use crate::syntax::dims::{is_free, Dim, Quotient};
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;
use crate::syntax::signature::{Dt, Ty};

impl Lower<'_> {
    /// A number of the config, of an argument or a literal, computed in f64 so that no quotient
    /// truncates and nothing overflows.
    pub(super) fn number(&self, e: &Expr) -> TokenStream {
        config::number(&self.with_arguments(e), &layer())
    }

    /// The number with the method's own numbers as they are called in generated code.
    pub(super) fn with_arguments(&self, e: &Expr) -> Expr {
        struct Arguments<'g>(&'g Graph);
        impl VisitMut for Arguments<'_> {
            fn visit_expr_mut(&mut self, e: &mut Expr) {
                let argument = |p: &syn::ExprPath| {
                    self.0.nodes.iter().any(|n| matches!(&n.kind, Kind::Input(i) if n.ty.is_number() && p.path.is_ident(i)))
                };
                match e {
                    Expr::Path(p) if condition::is_size(p) => {
                        let size = p.path.get_ident().map(|n| dim_var(&n.to_string()));
                        *e = Expr::Verbatim(quote! { (#size as f64) });
                    }
                    Expr::Path(p) if argument(p) => *e = Expr::Verbatim(quote! { (#p as f64) }),
                    _ => visit_mut::visit_expr_mut(self, e),
                }
            }
        }
        let mut e = e.clone();
        Arguments(self.graph).visit_expr_mut(&mut e);
        e
    }

    /// A whole number of 1 or more.
    pub(super) fn count(&self, e: &Expr) -> TokenStream {
        let e = config::whole(&self.with_arguments(e), &layer());
        quote! { __rt::count(#e)? }
    }

    pub(super) fn arg(&self, a: &Arg, kind: crate::ir::P) -> TokenStream {
        use crate::ir::P;
        let mask = quote! { __rt::ops::Mask };
        let optional = matches!(
            kind,
            P::OptTensor | P::OptOperand | P::OptSize | P::OptPair | P::OptScalar | P::Count
        );
        if optional && !matches!(a, Arg::Absent) {
            let inner = match (a, kind) {
                (Arg::Scalar(e), P::Count) => self.count(e),
                (_, P::OptSize) => self.arg(a, P::Size),
                _ => self.arg(a, P::Tensor),
            };
            return quote! { ::core::option::Option::Some(#inner) };
        }
        match (a, kind) {
            (Arg::Value(id), P::Mask) => {
                let v = self.read(*id);
                quote! { #mask::Array(#v) }
            }
            (Arg::Causal, _) => quote! { #mask::Causal },
            (Arg::Sliding(e), _) => {
                let n = self.count(e);
                quote! { #mask::Sliding(#n) }
            }
            (Arg::Absent, P::Mask) => quote! { #mask::None },
            (Arg::Absent, P::Bool) => quote! { false },
            (Arg::Absent, _) => quote! { ::core::option::Option::None },
            (Arg::Text(t), _) => t.to_token_stream(),
            (Arg::Value(id), _) => self.read(*id),
            (Arg::Weak { expr, like }, _) => {
                // Whole numbers are read as such, so that nothing is cut.
                let whole = matches!(
                    &self.graph.nodes[*like].ty,
                    Ty::Tensor(_, Dt::I32 | Dt::U32)
                );
                let e = match whole {
                    true => config::whole(&self.with_arguments(expr), &layer()),
                    false => self.number(expr),
                };
                let like = self.read(*like);
                quote! { &__rt::weak(#e, #like)? }
            }
            (Arg::Values(ids) | Arg::Whole(ids), _) => {
                let all = ids.iter().map(|id| self.read(*id));
                quote! { &[#(#all),*] }
            }
            (Arg::Int(i), P::Parts) => {
                let i = *i as i32;
                quote! { __rt::ops::Parts::Equal(#i) }
            }
            (Arg::Int(i), _) => (*i as i32).to_token_stream(),
            (Arg::Ints(l), _) => {
                let l = l.iter().map(|i| *i as i32);
                quote! { &[#(#l),*] }
            }
            (Arg::Dims(d), P::Size | P::SizeOr(_)) if d.len() == 1 => {
                let e = dim(&d[0], |n| dim_var(n).to_token_stream());
                quote! { __rt::size(#e)? }
            }
            (Arg::Dims(_), P::Parts) => {
                let sizes = self.arg(a, P::Dims);
                quote! { __rt::ops::Parts::Sizes(#sizes) }
            }
            (Arg::Dims(d), _) => {
                let d = d.iter().map(|d| match d.as_constant() {
                    Some(-1) => quote! { -1 },
                    // MLX finds the one size that only the array shows.
                    _ if d.is_hidden() => quote! { -1 },
                    _ => {
                        let e = dim(d, |n| dim_var(n).to_token_stream());
                        quote! { __rt::size(#e)? }
                    }
                });
                quote! { &[#(#d),*] }
            }
            (Arg::Scalar(e), P::Wide) => self.number(e),
            (Arg::Scalar(e), _) => {
                let e = self.number(e);
                quote! { (#e) as f32 }
            }
            (Arg::Bool(e), _) => e.to_token_stream(),
            (Arg::Dtype(Dt::Float), _) => quote! { __float },
            (Arg::Dtype(d), _) => {
                let name = match d {
                    Dt::I32 => "Int32",
                    Dt::U32 => "Uint32",
                    Dt::Bool => "Bool",
                    _ => "Float32",
                };
                let name = Ident::new(name, Span::call_site());
                quote! { ::mlx_runtime::Dtype::#name }
            }
        }
    }
}

/// The variable of a size in generated code.
pub(super) fn dim_var(name: &str) -> Ident {
    let name = name.replace(['.', ':'], "__").replace('\'', "__hidden");
    format_ident!("__d_{}", name, span = Span::mixed_site())
}

/// A size as an `i64` expression; config values saturate rather than overflow.
pub fn dim(d: &Dim, var: impl Fn(&str) -> TokenStream) -> TokenStream {
    computed(d, &var)
}

fn computed(d: &Dim, var: &dyn Fn(&str) -> TokenStream) -> TokenStream {
    let mut terms = d.terms().map(|(names, c)| {
        let factors = names.iter().map(|n| match Quotient::of(n) {
            None => var(n),
            Some(q) => {
                let (of, by) = (computed(&q.of, var), computed(&q.divisor(), var));
                quote! { __rt::quotient(#of, #by) }
            }
        });
        (c, factors.collect::<Vec<_>>())
    });
    let (first, second) = (terms.next(), terms.next());
    match (first, second) {
        (None, _) => quote! { 0i64 },
        (Some((c, factors)), None) => match (c, &factors[..]) {
            (c, []) => quote! { #c },
            (1, [one]) => one.clone(),
            (c, all) => quote! { __rt::product(#c, &[#(#all),*]) },
        },
        (first, second) => {
            let all = first.into_iter().chain(second).chain(terms);
            let all = all.map(|(c, factors)| quote! { (#c, &[#(#factors),*]) });
            quote! { __rt::sum(&[#(#all),*]) }
        }
    }
}

pub(super) fn size_pattern(d: &Dim, free: &[String], names: &Names, facts: &Facts) -> TokenStream {
    let p = quote! { __rt::Size };
    if let Some(i) = d.as_name().and_then(|n| free.iter().position(|f| f == n)) {
        return quote! { #p::Free(#i) };
    }
    let name = names.dim(d);
    if d.names().iter().any(|n| is_free(n)) {
        let known = |n: &String| !is_free(n) || free.contains(n);
        let plain = |n: &String| Quotient::of(n).is_none() && known(n);
        if !d.terms().all(|t| t.0.iter().all(plain)) {
            return quote! { #p::Any };
        }
        let terms = d.terms().map(|(factors, c)| {
            let bound = factors
                .iter()
                .filter_map(|n| free.iter().position(|f| f == n));
            let fixed = factors.iter().filter(|n| !is_free(n));
            let fixed = fixed.map(|n| config_size(names, n, facts));
            quote! { (#c #(* #fixed)*, &[#(#bound),*]) }
        });
        return quote! { #p::Sum(&[#(#terms),*], #name) };
    }
    let e = dim(d, |n| config_size(names, n, facts));
    quote! { #p::Fixed(#e, #name) }
}
