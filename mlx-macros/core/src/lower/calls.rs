//! Writes calls of sub-models and of stacks of them.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test models`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::Lower;
use crate::ir::{Arg, Call, Callee, Id, Node};
use crate::syntax::kind::{FieldKind, Policy};
use crate::syntax::signature::Ty;

impl Lower<'_> {
    /// A sub-model's `forward`; of a type parameter, through the trait.
    pub(super) fn sub(&self, field: &Ident, args: &[Arg], call: &Call, node: &Node) -> TokenStream {
        let (check, f) = (self.check(call, node.span, false), self.field(field));
        let ids: Vec<Id> = args.iter().flat_map(Arg::values).collect();
        if !matches!(call.callee, Callee::Generic(_)) {
            let args = ids.iter().map(|id| self.read(*id));
            let forward = match &call.callee {
                Callee::Method(_, name) => quote! { .#name },
                _ => forward(node.span),
            };
            return quote! { { #check #f #forward(#(#args),*)? } };
        }
        let arrays = ids.iter().filter(|id| !self.is_cache(**id));
        let arrays = arrays.map(|id| self.read(*id));
        let cache = self.cache(ids.iter().copied().find(|id| self.is_cache(*id)));
        let values = match &node.ty {
            Ty::Tuple(parts) => {
                let items = (0..parts.len()).map(|i| quote! { __rt::item(&__y, #i)? });
                quote! { (#(#items,)*) }
            }
            _ => quote! { __rt::first(__y)? },
        };
        quote! { {
            #check
            let __y = __rt::Definition::call(#f, &[#(#arrays),*], #cache)?;
            #values
        } }
    }

    pub(super) fn policy(&self, field: &Ident) -> TokenStream {
        let declared = self
            .model
            .fields
            .iter()
            .find(|f| f.name == *field)
            .map(|f| &f.kind);
        let policy = match declared {
            Some(FieldKind::Layers { checkpoint, .. }) => *checkpoint,
            _ => Policy::Auto,
        };
        let p = quote! { ::mlx_runtime::model::Checkpoint };
        match policy {
            Policy::Auto => quote! { #p::Auto },
            Policy::Always => quote! { #p::Every(1) },
            Policy::Every(n) => {
                let n = n as usize;
                quote! { #p::Every(#n) }
            }
            Policy::Never => quote! { #p::Never },
        }
    }

    /// A stack of sub-models, run with the boundaries of its checkpoint policy.
    pub(super) fn stack(
        &self,
        field: &Ident,
        (carried, extra, cache): (Id, &[Id], Option<Id>),
        call: &Call,
        node: &Node,
    ) -> TokenStream {
        let check = self.check(call, node.span, false);
        let (x, more) = (self.read(carried), extra.iter().map(|id| self.read(*id)));
        let policy = self.policy(field);
        let (layers, model) = (self.field(field), call.model());
        let rest = (1..=extra.len()).map(|i| quote! { &__x[#i] });
        let last = cache.map(|_| quote! { __cache });
        let run = match &call.callee {
            Callee::Generic(_) => quote! {
                __rt::first(__rt::Definition::call(__layer, &[&__x[0], #(#rest),*], __cache)?)
            },
            _ => {
                let forward = forward(node.span);
                quote! { __layer #forward(&__x[0], #(#rest,)* #last) }
            }
        };
        let cache = self.cache(cache);
        quote! { {
            #check
            __rt::run_layers(
                #layers, #policy, &[#x, #(#more),*], #cache,
                |__layer: &#model, __x: &[::mlx_runtime::Array], __cache: &mut ::mlx_runtime::nn::KvCache| {
                    #run
                },
            )?
        } }
    }

    /// A cache; without one, a cache that keeps nothing.
    fn cache(&self, cache: Option<Id>) -> TokenStream {
        match cache {
            Some(id) => self.read(id),
            None => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
        }
    }
}

/// `.forward`, at the user's call: there rustc counts the arguments.
fn forward(at: Span) -> TokenStream {
    quote_spanned! { at.resolved_at(Span::mixed_site()) => .forward }
}
