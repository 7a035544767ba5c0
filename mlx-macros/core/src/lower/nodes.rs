//! Writes each node as a statement.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test language`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, ToTokens};
use syn::Ident;

use super::{checks, config, layer, Lower};
use crate::check::build::variable;
use crate::ir::{Arg, Arm, Callee, Held, Id, Kind, P};
use crate::syntax::signature::Ty;

impl Lower<'_> {
    /// Constants by which rustc checks a call that is not written.
    pub(super) fn check_of(&self, id: Id) -> Option<TokenStream> {
        let n = &self.graph.nodes[id];
        match &n.kind {
            Kind::Sub { call, .. } | Kind::Layers { call, .. } | Kind::Function { call, .. } => {
                Some(self.check(call, n.span, true))
            }
            Kind::Loop { body, .. } | Kind::Steps { body, .. } => {
                Some(checks(self.model, &body.graph))
            }
            _ => None,
        }
    }

    /// The nodes from `start` up to `end`; the arms of an `if` are written where the `if` is.
    pub(super) fn nodes(&self, start: Id, end: Id) -> TokenStream {
        let (mut out, mut id) = (TokenStream::new(), start);
        while id < end {
            let arms = |at: &Id| matches!(&self.graph.nodes[*at].kind, Kind::If { then, .. } if then.start == id);
            // Of two that begin here the outer one comes last.
            id = (id..end).rev().find(arms).unwrap_or(id);
            if self.live.contains(&id) {
                out.extend(self.node(id));
            }
            id += 1;
        }
        out
    }

    /// The value of an arm of an `if`: one or a tuple.
    fn arm(&self, arm: &Arm) -> TokenStream {
        let body = self.nodes(arm.start, arm.end);
        let values = arm.values.iter().map(|id| self.result(*id));
        match arm.values.len() {
            1 => quote! { #body #(#values)* },
            _ => quote! { #body (#(#values,)*) },
        }
    }

    pub(super) fn is_cache(&self, id: Id) -> bool {
        self.graph.nodes[id].ty == Ty::Cache
    }

    /// An expression for a value: `&Array`, or `&mut KvCache`.
    pub(super) fn read(&self, id: Id) -> TokenStream {
        match &self.graph.nodes[id].kind {
            Kind::Input(n) if self.is_cache(id) => quote! { &mut *#n },
            Kind::NoCache => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
            Kind::Input(n) => n.to_token_stream(),
            Kind::Held {
                cache,
                what: Held::Part(name),
                ..
            } => {
                let (cache, key) = (self.read(*cache), self.key(name));
                quote! { ::mlx_runtime::nn::KvCache::part(#cache, #key) }
            }
            Kind::Number(e) => {
                let e = self.number(e);
                quote! { __rt::Given::given(#e)? }
            }
            _ => {
                let v = variable(id);
                quote! { &#v }
            }
        }
    }

    /// The name of a state or cache of this model, which no other model has.
    fn key(&self, name: &str) -> TokenStream {
        let name = format!("{}.{name}", self.model.item.ident);
        quote! { ::core::concat!(::core::module_path!(), "::", #name) }
    }

    pub(super) fn result(&self, id: Id) -> TokenStream {
        match &self.graph.nodes[id].kind {
            Kind::Tuple(ids) => {
                let all = ids.iter().map(|id| self.result(*id));
                quote! { (#(#all,)*) }
            }
            Kind::Input(n) => quote! { #n.clone() },
            Kind::Method { .. } | Kind::Sub { .. } | Kind::Function { .. } => {
                let v = variable(id);
                quote! { #v.clone() }
            }
            _ => {
                let v = variable(id);
                match &self.graph.nodes[id].ty {
                    Ty::Tuple(parts) => {
                        let all = (0..parts.len()).map(|i| quote! { __rt::item(&#v, #i)? });
                        quote! { (#(#all,)*) }
                    }
                    _ => quote! { #v.clone() },
                }
            }
        }
    }

    pub(super) fn node(&self, id: Id) -> TokenStream {
        let node = &self.graph.nodes[id];
        let v = variable(id);
        let value = match &node.kind {
            Kind::Input(_) | Kind::Tuple(_) | Kind::NoCache => return quote! {},
            Kind::Number(_) => return quote! {},
            Kind::Held {
                cache,
                what,
                values,
            } => {
                let ops = quote! { __rt::ops };
                let cache = self.read(*cache);
                let values: Vec<TokenStream> = values.iter().map(|id| self.read(*id)).collect();
                match what {
                    Held::Part(_) => return quote! {},
                    Held::Once => {
                        quote! { ::mlx_runtime::nn::KvCache::keep(#cache, #(#values),*)? }
                    }
                    Held::NewState(name) => {
                        let key = self.key(name);
                        return quote! { #ops::set_state(#cache, #key, #(#values),*); };
                    }
                    Held::State(name) => {
                        let Ty::Tensor(shape, dtype) = &node.ty else {
                            return quote! {};
                        };
                        let key = self.key(name);
                        let shape = self.arg(&Arg::Dims(shape.clone()), P::Dims);
                        let dtype = self.arg(&Arg::Dtype(*dtype), P::Dtype);
                        quote! { #ops::state(#cache, #key, #shape, #dtype)? }
                    }
                }
            }
            Kind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = config::tokens(condition, &layer());
                let (then, otherwise) = (self.arm(then), self.arm(otherwise));
                quote! { if #condition { #then } else { #otherwise } }
            }
            Kind::Param(f) => {
                let f = self.field(f);
                quote! { #f.value() }
            }
            Kind::Weight { field, bias } => {
                let field = self.field(field);
                quote! { __rt::Norm::tensor(#field, #bias)? }
            }
            Kind::Op { op, args } => {
                if let [Arg::Whole(members)] = &args[..] {
                    let (name, joined) = (format_ident!("joined_{}", op.name), members[0]);
                    let input = variable(joined);
                    return quote! { let #v = __rt::ops::#name(&#input)?; };
                }
                let name = Ident::new(&op.function(), Span::call_site());
                let args = args
                    .iter()
                    .enumerate()
                    .map(|(i, a)| self.arg(a, op.params[i].1));
                quote! { __rt::ops::#name(#(#args),*)? }
            }
            Kind::Leaf { field, args, .. } => {
                let args = args.iter().flat_map(Arg::values).map(|id| self.read(id));
                self.leaf(id, field, &args.collect::<Vec<_>>())
            }
            Kind::Joined { input, group, .. } => return self.joined(id, *input, *group),
            Kind::Sub { field, args, call } => self.sub(field, args, call, node),
            Kind::Function { args, call } => {
                let check = self.check(call, node.span, false);
                let Callee::Function(path) = &call.callee else {
                    return quote! {};
                };
                let args = args.iter().flat_map(Arg::values).map(|id| self.read(id));
                quote! { { #check #path(#(#args),*)? } }
            }
            Kind::Method { name, args } => {
                let args = args.iter().flat_map(Arg::values).map(|id| self.read(id));
                quote! { self.#name(#(#args),*)? }
            }
            Kind::Layers {
                field,
                carried,
                extra,
                cache,
                call,
            } => self.stack(field, (*carried, extra, *cache), call, node),
            Kind::Loop { .. } => self.looped(node),
            Kind::Steps { .. } => self.steps(node),
            Kind::CacheUpdate {
                cache,
                keys,
                values,
            } => {
                let (c, k, v) = (self.read(*cache), self.read(*keys), self.read(*values));
                quote! { ::mlx_runtime::nn::KvCache::update(#c, #k, #v)? }
            }
            Kind::LinearCrossEntropy {
                field,
                input,
                targets,
                weights,
                cap,
                reduction,
            } => {
                let losses = self.projected(field, (*input, *targets, *weights), cap.as_ref());
                match reduction {
                    None => losses,
                    Some(name) => {
                        let name = Ident::new(name, Span::call_site());
                        quote! { __rt::ops::#name(&#losses, &[], false)? }
                    }
                }
            }
            Kind::Attention(a) => return self.attention(id, a),
            Kind::Kernel(r) => {
                let values = self.region(r);
                match node.ty {
                    Ty::Tuple(_) => values,
                    // Numbers for the gradient are behind it.
                    _ => quote! { __rt::item(&#values, 0)? },
                }
            }
            Kind::Item(of, i) => {
                let of_var = variable(*of);
                match &self.graph.nodes[*of].kind {
                    Kind::Method { .. }
                    | Kind::Sub { .. }
                    | Kind::Function { .. }
                    | Kind::If { .. } => {
                        let i = syn::Index::from(*i);
                        quote! { #of_var.#i.clone() }
                    }
                    _ => quote! { __rt::item(&#of_var, #i)? },
                }
            }
        };
        quote! { let #v = #value; }
    }
}
