//! Writes what a call must fulfil: the requirements of a function, and quotients of sizes that only the call knows.
//!
//! Tests: `mlx-tests --test language`.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::Expr;

use super::args::dim_var;
use super::{config, dim, layer, Lower};
use crate::ir::{Arg, Kind};
use crate::syntax::condition;
use crate::syntax::dims::{is_free, Quotient};

impl Lower<'_> {
    /// Statements that refuse sizes which do not fit; `what` is the function.
    pub(super) fn sizes(&self, what: &str, free: &[String]) -> TokenStream {
        let requires = self.model.requires.iter().filter(|_| self.model.function);
        let requires = requires.map(|e| {
            let mut marked = e.clone();
            Sizes.visit_expr_mut(&mut marked);
            let holds = config::tokens(&self.with_arguments(&marked), &layer());
            let text = condition::text(e);
            let names = condition::fields(e).into_iter().map(|n| n.to_string());
            let values = names.filter(|n| free.contains(n)).map(|n| {
                let var = dim_var(&n);
                quote! { (#n, #var) }
            });
            quote! { __rt::require(#what, #text, #holds, &[#(#values),*])?; }
        });
        let quotients = self.open_quotients().into_iter().map(|(text, q)| {
            let side = |d| {
                dim(d, |n| {
                    let v = dim_var(n);
                    quote! { #v }
                })
            };
            let (of, by) = (side(&q.of), side(&q.divisor()));
            quote! { __rt::whole_quotient(#what, #text, #of, #by)?; }
        });
        quote! { #(#requires)* #(#quotients)* }
    }

    /// The quotients with sizes that a call binds, in the live operations.
    fn open_quotients(&self) -> BTreeMap<String, Quotient> {
        let mut all = BTreeMap::new();
        for id in &self.live {
            let Kind::Op { args, .. } = &self.graph.nodes[*id].kind else {
                continue;
            };
            for d in args.iter().flat_map(|a| match a {
                Arg::Dims(d) => d.as_slice(),
                _ => &[],
            }) {
                for name in d.terms().flat_map(|(names, _)| names.to_vec()) {
                    let open = |q: &Quotient| {
                        let of = q.of.names();
                        of.iter().any(|n| is_free(n)) && !of.iter().any(|n| n.ends_with('\''))
                    };
                    if let Some(q) = Quotient::of(&name).filter(open) {
                        all.insert(name, q);
                    }
                }
            }
        }
        all
    }
}

/// Marks each name as a size of the call.
struct Sizes;

impl VisitMut for Sizes {
    fn visit_expr_mut(&mut self, e: &mut Expr) {
        match e {
            Expr::Path(p) if p.attrs.is_empty() && p.path.get_ident().is_some() => {
                p.attrs.push(syn::parse_quote!(#[size]));
            }
            _ => visit_mut::visit_expr_mut(self, e),
        }
    }
}
