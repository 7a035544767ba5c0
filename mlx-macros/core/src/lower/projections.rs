//! Writes projections: alone, joined, tied, packed, and with the attention or the loss that reads them.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test models`, `--test language`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Ident};

use super::{config, config_size, dim, join_key, layer, Lower};
use crate::check::build::variable;
use crate::ir::{Attention, Id, LAYER, P};
use crate::syntax::kind::FieldKind;

impl Lower<'_> {
    /// A reference to a field; one that may be absent is there by the `if` around its use.
    pub(super) fn field(&self, name: &Ident) -> TokenStream {
        if name == LAYER {
            return quote! { __layer };
        }
        let optional = self
            .model
            .fields
            .iter()
            .any(|f| f.name == *name && f.when.is_some());
        let boxed = self.model.fields.iter().any(|f| f.name == *name && f.boxed);
        let text = name.to_string();
        match (optional, boxed) {
            (true, false) => quote! { __rt::present(&self.#name, #text)? },
            (true, true) => quote! { (&**__rt::present(&self.#name, #text)?) },
            (false, false) => quote! { (&self.#name) },
            (false, true) => quote! { (&*self.#name) },
        }
    }

    /// The first live member of a group computes all of them.
    pub(super) fn joined(&self, id: Id, input: Id, group: usize) -> TokenStream {
        let members = self.graph.members(group);
        if members.iter().find(|m| self.live.contains(m)) != Some(&id) {
            return quote! {};
        }
        let x = self.read(input);
        let vars = members.iter().map(|m| variable(*m));
        let join = &self.graph.joins[group];
        let (fields, adapters) = (&join.fields, join.adapters);
        let (key, kept) = (join_key(fields), !self.graph.nodes[id].dequantizes());
        let together = quote! {
            __rt::together(self.__mlx.joined(#key), [#(&self.#fields),*], #x, #adapters, #kept)
        };
        if self.graph.is_read_whole(group) {
            let v = variable(id);
            return quote! { let #v = #together; };
        }
        quote! { let [#(#vars),*] = #together.parts()?; }
    }

    /// A layer in a field. A projection multiplies with packed weights as they are, unless it dequantises them.
    pub(super) fn leaf(&self, id: Id, field: &Ident, args: &[TokenStream]) -> TokenStream {
        let layer = self.layer(field);
        if field == LAYER {
            return quote! { #layer.forward(#(#args),*)? };
        }
        let linear = self
            .model
            .fields
            .iter()
            .any(|f| f.name == *field && matches!(f.kind, FieldKind::Linear { .. }));
        match linear && !self.graph.nodes[id].dequantizes() {
            true => quote! { __rt::forward_packed(&#layer, #(#args),*)? },
            false => quote! { #layer.forward(#(#args),*)? },
        }
    }

    /// The layer in a field; a tied one borrows its weight from its source.
    pub(super) fn layer(&self, field: &Ident) -> TokenStream {
        let tied = self
            .model
            .fields
            .iter()
            .find(|f| f.name == *field)
            .and_then(|f| f.tied.as_ref());
        match tied {
            Some(t) => {
                let source = &t.source;
                quote! { (*__rt::tied(&self.#field, &self.#source)?) }
            }
            None => self.field(field),
        }
    }

    /// The statement for attention with rotated queries and keys.
    pub(super) fn attention(&self, id: Id, a: &Attention) -> TokenStream {
        let (attended, rope) = (variable(id), self.field(&a.rope));
        let (q, k, v) = (self.read(a.q), self.read(a.k), self.read(a.v));
        let head_dim = dim(&a.head_dim, |n| {
            config_size(&self.model.names, n, &self.model.names.facts)
        });
        let scale = self.arg(&a.scale, P::OptScalar);
        let cache = self.read(a.cache);
        let window = match &a.window {
            None => quote! { ::core::option::Option::None },
            Some(w) => {
                let count = self.count(&w.count);
                let count = quote! { ::core::option::Option::Some(#count) };
                match &w.only {
                    None => count,
                    Some((condition, holds)) => {
                        let condition = config::tokens(condition, &layer());
                        quote! { if (#condition) == #holds { #count } else { ::core::option::Option::None } }
                    }
                }
            }
        };
        let whole = match a.parts_of {
            None => quote! { ::core::option::Option::None },
            Some(id) => {
                let y = self.read(id);
                quote! { ::core::option::Option::Some(#y) }
            }
        };
        if a.whole {
            let joined = variable(a.q);
            return quote! {
                let #attended = __rt::joined_attention(
                    &#joined, #rope, __rt::size(#head_dim)?, #scale, #window, #cache,
                )?;
            };
        }
        quote! {
            let #attended = __rt::attention(
                #rope, [#q, #k, #v], #whole,
                __rt::size(#head_dim)?, #scale, #window, #cache,
            )?;
        }
    }

    /// Losses of a projection, computed without the logits as a whole.
    pub(super) fn projected(
        &self,
        field: &Ident,
        (input, targets, weights): (Id, Id, Option<Id>),
        cap: Option<&Expr>,
    ) -> TokenStream {
        let layer = self.layer(field);
        let (x, t) = (self.read(input), self.read(targets));
        let optional = |value: Option<TokenStream>| match value {
            Some(value) => quote! { ::core::option::Option::Some(#value) },
            None => quote! { ::core::option::Option::None },
        };
        let weights = optional(weights.map(|w| self.read(w)));
        let cap = optional(cap.map(|c| {
            let cap = self.number(c);
            quote! { (#cap) as f32 }
        }));
        quote! { __rt::projected(#x, &#layer, #t, #weights, #cap)? }
    }
}
