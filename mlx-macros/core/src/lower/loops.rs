//! Writes a loop over a stack of layers: its body is a closure that the runtime calls for each layer.
//!
//! The closure owns what it reads, because a checkpoint calls it again in the backward pass.
//!
//! Tests: `mlx-tests --test loops`.

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};

use super::args::dim_var;
use super::{dim, Lower};
use crate::check::calls::flat;
use crate::ir::{Arg, Graph, Id, Kind, Node};
use crate::syntax::dims::is_free;

/// True if a number of the node depends on the layer that the model is.
fn of_layer(n: &Node) -> bool {
    let Kind::Op { args, .. } = &n.kind else {
        return false;
    };
    args.iter().any(|a| match a {
        Arg::Scalar(e) | Arg::Bool(e) | Arg::Weak { expr: e, .. } => {
            let words = e.to_token_stream().into_iter().flat_map(flat);
            words.into_iter().any(|w| w == "layer")
        }
        _ => false,
    })
}

impl Lower<'_> {
    /// A loop with a body of its own, as a list of values.
    pub(super) fn looped(&self, node: &Node) -> TokenStream {
        let Kind::Loop {
            field,
            carried,
            extra,
            cache,
            body,
        } = &node.kind
        else {
            return quote! {};
        };
        let statements = self.statements(&body.graph);
        let shapes = body.shapes.iter().map(|shape| {
            let sizes = shape.iter().map(|d| match d.is_hidden() {
                true => quote! { 1 },
                false => dim(d, |n| {
                    let v = dim_var(n);
                    quote! { #v }
                }),
            });
            quote! { &[#(#sizes),*] }
        });
        let (layers, policy) = (self.field(field), self.policy(field));
        let carried = carried.iter().map(|id| self.read(*id));
        let extra = extra.iter().map(|id| self.read(*id));
        let cache = match cache {
            Some(id) => self.read(*id),
            None => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
        };
        let (inputs, model) = (&body.inputs, &body.model);
        let at = 0..inputs.len();
        quote! { {
            let __config = self.__mlx.shared_config();
            __rt::run_loop(
                #layers, #policy, &[#(#carried),*], &[#(#extra),*], &[#(#shapes),*], #cache,
                move |__index: usize, __layer: &#model, __x: &[::mlx_runtime::Array], __cache: &mut ::mlx_runtime::nn::KvCache| {
                    let __c = &*__config;
                    #(let #inputs = &__x[#at];)*
                    #statements
                },
            )?
        } }
    }

    /// A loop over positions, as a list of values.
    pub(super) fn steps(&self, node: &Node) -> TokenStream {
        let Kind::Steps {
            count,
            carried,
            extra,
            body,
        } = &node.kind
        else {
            return quote! {};
        };
        let statements = self.statements(&body.graph);
        let count = dim(count, |n| {
            let v = dim_var(n);
            quote! { #v }
        });
        let all = carried.iter().chain(extra).map(|id| self.read(*id));
        let (inputs, width) = (&body.inputs, carried.len());
        let at = 0..inputs.len();
        // A body of operations alone depends on nothing but its arguments, so that it may run again.
        let alone = body.graph.all_nodes().iter().all(|n| {
            matches!(
                n.kind,
                Kind::Input(_) | Kind::Op { .. } | Kind::Item(..) | Kind::Tuple(_)
            ) && !of_layer(n)
        });
        match alone && !self.model.function {
            true => quote! { {
                let __config = self.__mlx.shared_config();
                __rt::run_scan(#count, #width, &[#(#all),*], move |__index: usize, __x: &[::mlx_runtime::Array]| {
                    let __c = &*__config;
                    #(let #inputs = &__x[#at];)*
                    #statements
                })?
            } },
            false => quote! {
                __rt::run_steps(#count, #width, &[#(#all),*], |__index: usize, __x: &[::mlx_runtime::Array]| {
                    #(let #inputs = &__x[#at];)*
                    #statements
                })?
            },
        }
    }

    /// The statements of a body, which end with the list of its results.
    fn statements(&self, graph: &Graph) -> TokenStream {
        let inner = Lower {
            model: self.model,
            graph,
            live: graph.live(),
        };
        let statements = inner.nodes(0, graph.nodes.len());
        let results: &[Id] = match graph.result.map(|id| &graph.nodes[id].kind) {
            Some(Kind::Tuple(ids)) => ids,
            _ => &[],
        };
        let results = results.iter().map(|id| inner.result(*id));
        quote! { #statements ::core::result::Result::Ok(::std::vec![#(#results),*]) }
    }

    /// The sizes of the config with which loops estimate what their layers keep.
    pub(super) fn loop_sizes(&self) -> Vec<String> {
        let mut all = Vec::new();
        for id in &self.live {
            if let Kind::Steps { count, .. } = &self.graph.nodes[*id].kind {
                let names = count.names().into_iter().filter(|n| !is_free(n));
                all.extend(names.map(String::from));
            }
            if let Kind::Loop { body, .. } = &self.graph.nodes[*id].kind {
                let dims = body.shapes.iter().flatten().filter(|d| !d.is_hidden());
                let names = dims.flat_map(|d| d.names()).filter(|n| !is_free(n));
                all.extend(names.map(String::from));
            }
        }
        all
    }
}
