//! Writes the start of a body: the sizes that its arguments and the config give.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test language`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::args::{dim_var, size_pattern};
use super::{config_size, Lower};
use crate::ir::{Arg, Held, Kind};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::signature::{Argument, Dt, Method, Ty};

impl Lower<'_> {
    /// Binds the free dims to the arguments' sizes and checks every other size.
    pub(super) fn prologue(&self, m: &Method) -> TokenStream {
        self.bound(m, &[])
    }

    /// As [`Lower::prologue`], with these sizes besides.
    pub(super) fn bound(&self, m: &Method, more: &[String]) -> TokenStream {
        let free = m.free_dims();
        let what = match self.model.function {
            true => m.name.to_string(),
            false => format!("{}::{}", self.model.item.ident, m.name),
        };
        let args = m.args.iter().filter_map(|a| match &a.ty {
            Ty::Tensor(shape, d) => {
                let (name, text) = (&a.name, a.name.to_string());
                let dims = shape
                    .iter()
                    .map(|d| size_pattern(d, &free, &self.model.names, &self.model.names.facts));
                let class = format_ident!("{}", format!("{d:?}"));
                Some(quote! {
                    __rt::Arg::new(#text, #name, __rt::Class::#class, &[#(#dims),*])
                })
            }
            _ => None,
        });
        let vars = free.iter().map(|f| dim_var(f));
        // Only the sizes that some operation states are needed as numbers.
        let mut used: BTreeSet<String> = BTreeSet::new();
        let plain = |n: &&str| !is_free(n);
        for name in more {
            used.extend(
                Dim::name(name)
                    .names()
                    .into_iter()
                    .filter(plain)
                    .map(String::from),
            );
        }
        // Regions need theirs, because they are also written with MLX's operations.
        let inner = self
            .live
            .iter()
            .flat_map(|id| match &self.graph.nodes[*id].kind {
                Kind::Kernel(r) => r.graph.nodes.iter().collect(),
                Kind::Loop { body, .. } | Kind::Steps { body, .. } => body.graph.all_nodes(),
                _ => vec![&self.graph.nodes[*id]],
            });
        for node in inner {
            if let (
                Kind::Held {
                    what: Held::State(_),
                    ..
                },
                Ty::Tensor(shape, _),
            ) = (&node.kind, &node.ty)
            {
                let names = shape.iter().flat_map(|d| d.names());
                used.extend(names.filter(plain).map(String::from));
            }
            if let Kind::Op { args, .. } = &node.kind {
                for a in args {
                    if let Arg::Dims(d) = a {
                        used.extend(
                            d.iter()
                                .flat_map(|d| d.names())
                                .filter(|n| !is_free(n))
                                .map(String::from),
                        );
                    }
                }
            }
        }
        used.extend(self.loop_sizes());
        let config = used.iter().map(|n| {
            let facts = &self.model.names.facts;
            // Each use is inside of an `if` that says that the field is there.
            let facts = match self.graph.guarded.contains(n) {
                true => match n.rsplit_once('.') {
                    Some((holder, _)) => facts.with(holder),
                    None => facts.with(n),
                },
                false => facts.clone(),
            };
            let (var, size) = (dim_var(n), config_size(&self.model.names, n, &facts));
            quote! { let #var = #size; }
        });
        let sizes = self.sizes(&what, &free);
        let start = match self.model.function {
            true => {
                let float = |a: &&Argument| matches!(a.ty, Ty::Tensor(_, Dt::Float));
                let floats = m.args.iter().filter(float).map(|a| &a.name);
                quote! { let __float = __rt::float_of(&[#(#floats),*]); }
            }
            false => quote! {
                let __c = self.__mlx.config();
                let __float = self.__mlx.dtype();
            },
        };
        quote! {
            #start
            let [#(#vars),*] = __rt::bind(#what, __float, &[#(#args),*], [#(#free),*])?;
            #(#config)*
            #sizes
        }
    }
}
