//! Writes a graph as Rust: one call of the runtime and one `?` for each node, no `unsafe`.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test language`.

mod args;
mod check;
pub mod checkpoint;
pub(crate) mod config;
pub mod define;
pub(crate) mod digest;
mod elements;
pub mod kernel;
pub(crate) mod layers;
mod layout;
mod loops;
mod region;
mod sizes;
mod weights;

pub use args::dim;
pub use check::sig_type;
pub use config::{config_expr, config_size, estimated_size};

use args::{dim_var, size_pattern};

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned, ToTokens};
use syn::Ident;

use crate::check::build::variable;
use crate::ir::{Arg, Arm, Call, Callee, Graph, Id, Kind, Node, LAYER};
use crate::syntax::dims::is_free;
use crate::syntax::kind::{FieldKind, Policy};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Method, Ty};

/// A method with its body lowered.
pub fn method(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    wrap(m, true, body(model, m, graph))
}

/// A helper function with its body lowered.
pub fn function(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    wrap(m, false, body(model, m, graph))
}

fn body(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    let l = Lower {
        model,
        graph,
        live: graph.live(),
    };
    let body = l.nodes(0, graph.nodes.len());
    let prologue = l.prologue(m);
    let result = graph.result.map(|id| l.result(id));
    // Calls that are not computed are compared with their signatures all the same.
    let unread = (0..graph.nodes.len()).filter(|id| !l.live.contains(id));
    let unread: Vec<TokenStream> = unread.filter_map(|id| l.check_of(id)).collect();
    quote! { #prologue #(#unread)* #body ::core::result::Result::Ok(#result) }
}

/// The arguments of a method, again.
fn copied(m: &Method) -> Vec<crate::syntax::signature::Argument> {
    let again = m.args.iter().map(|a| crate::syntax::signature::Argument {
        name: a.name.clone(),
        ty: a.ty.clone(),
        span: a.span,
        mutable: a.mutable,
    });
    again.collect()
}

/// The places of the tensors of a kernel that have a gradient.
pub fn kernel_trained(m: &Method, frozen: &[bool]) -> Vec<usize> {
    let tensors = m.args.iter().filter_map(|a| match &a.ty {
        Ty::Tensor(_, d) => Some(*d),
        _ => None,
    });
    let trained = tensors
        .enumerate()
        .filter(|(i, d)| matches!(d, Dt::Float | Dt::F32) && !frozen[*i]);
    trained.map(|(i, _)| i).collect()
}

/// A method of a model, or a function, that has mistakes: it only keeps its callers from having
/// more.
pub fn placeholder(m: &Method, of_model: bool) -> TokenStream {
    wrap(m, of_model, quote! { ::mlx_runtime::__private::never() })
}

/// Constants by which rustc checks the calls in a body with mistakes, so that those across crates are reported
/// together with the others.
pub fn checks(model: &ModelDef, graph: &Graph) -> TokenStream {
    let l = Lower {
        model,
        graph,
        live: BTreeSet::new(),
    };
    let calls = 0..graph.nodes.len();
    calls.filter_map(|id| l.check_of(id)).collect()
}

fn wrap(m: &Method, of_model: bool, body: TokenStream) -> TokenStream {
    let Method {
        attrs, vis, name, ..
    } = m;
    let args = m.args.iter().map(|a| {
        let n = &a.name;
        match a.ty {
            Ty::Cache => quote! { #n: &mut ::mlx_runtime::nn::KvCache },
            Ty::Number => quote! { #n: f32 },
            Ty::Whole => quote! { #n: i32 },
            _ => quote! { #n: &::mlx_runtime::Array },
        }
    });
    let ret = match &m.ret {
        Ty::Tuple(all) => {
            let arrays = all.iter().map(|_| quote! { ::mlx_runtime::Array });
            quote! { (#(#arrays,)*) }
        }
        _ => quote! { ::mlx_runtime::Array },
    };
    let doc = (!attrs.iter().any(|a| a.path().is_ident("doc"))).then(|| {
        let text = format!("The model's `{name}`.");
        quote! { #[doc = #text] }
    });
    let receiver = of_model.then(|| quote! { &self, });
    quote! {
        #(#attrs)* #doc
        #[allow(unused_variables, clippy::all)]
        #vis fn #name(#receiver #(#args),*) -> ::mlx_runtime::Result<#ret> { #body }
    }
}

struct Lower<'a> {
    model: &'a ModelDef,
    graph: &'a Graph,
    live: BTreeSet<Id>,
}

impl Lower<'_> {
    /// Constants by which rustc checks a call that is not written.
    fn check_of(&self, id: Id) -> Option<TokenStream> {
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
    fn nodes(&self, start: Id, end: Id) -> TokenStream {
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

    /// A reference to a field; one that may be absent is there by the `if` around its use.
    fn field(&self, name: &Ident) -> TokenStream {
        if name == LAYER {
            return quote! { __layer };
        }
        let optional = self
            .model
            .fields
            .iter()
            .any(|f| f.name == *name && f.when.is_some());
        match optional {
            true => {
                let text = name.to_string();
                quote! { ::mlx_runtime::__private::present(&self.#name, #text)? }
            }
            false => quote! { (&self.#name) },
        }
    }

    /// Binds the free dims to the arguments' sizes and checks every other size.
    fn prologue(&self, m: &Method) -> TokenStream {
        self.bound(m, &[])
    }

    /// As [`Lower::prologue`], where these sizes are needed, too.
    fn bound(&self, m: &Method, more: &[String]) -> TokenStream {
        let free = m.free_dims();
        let what = match self.model.function {
            true => m.name.to_string(),
            false => format!("{}::{}", self.model.item.ident, m.name),
        };
        let args = m.args.iter().filter_map(|a| match &a.ty {
            Ty::Tensor(shape, d) => {
                let (name, text) = (&a.name, a.name.to_string());
                let dims = shape.iter().map(|d| size_pattern(d, &free, &self.model.names, &self.model.names.facts));
                let class = format_ident!("{}", format!("{d:?}"));
                Some(quote! {
                    ::mlx_runtime::__private::Arg::new(#text, #name, ::mlx_runtime::__private::Class::#class, &[#(#dims),*])
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
                crate::syntax::dims::Dim::name(name)
                    .names()
                    .into_iter()
                    .filter(plain)
                    .map(String::from),
            );
        }
        // Those of regions, too, which are written by MLX's operations as well.
        let inner = self
            .live
            .iter()
            .flat_map(|id| match &self.graph.nodes[*id].kind {
                Kind::Kernel(r) => r.graph.nodes.iter().collect(),
                Kind::Loop { body, .. } | Kind::Steps { body, .. } => body.graph.all_nodes(),
                _ => vec![&self.graph.nodes[*id]],
            });
        for node in inner {
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
                let float = |a: &&crate::syntax::signature::Argument| {
                    matches!(a.ty, Ty::Tensor(_, Dt::Float))
                };
                let floats = m.args.iter().filter(float).map(|a| &a.name);
                quote! { let __float = ::mlx_runtime::__private::float_of(&[#(#floats),*]); }
            }
            false => quote! {
                let __c = self.__mlx.config();
                let __float = self.__mlx.dtype();
            },
        };
        quote! {
            #start
            let [#(#vars),*] = ::mlx_runtime::__private::bind(#what, __float, &[#(#args),*], [#(#free),*])?;
            #(#config)*
            #sizes
        }
    }

    fn is_cache(&self, id: Id) -> bool {
        self.graph.nodes[id].ty == Ty::Cache
    }

    /// An expression for a value: `&Array`, or `&mut KvCache`.
    fn read(&self, id: Id) -> TokenStream {
        match &self.graph.nodes[id].kind {
            Kind::Input(n) if self.is_cache(id) => quote! { &mut *#n },
            Kind::NoCache => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
            Kind::Input(n) => n.to_token_stream(),
            Kind::Number(e) => {
                let e = self.number(e);
                quote! { ::mlx_runtime::__private::Given::given(#e)? }
            }
            _ => {
                let v = variable(id);
                quote! { &#v }
            }
        }
    }

    fn result(&self, id: Id) -> TokenStream {
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
                        let all = (0..parts.len())
                            .map(|i| quote! { ::mlx_runtime::__private::item(&#v, #i)? });
                        quote! { (#(#all,)*) }
                    }
                    _ => quote! { #v.clone() },
                }
            }
        }
    }

    fn node(&self, id: Id) -> TokenStream {
        let node = &self.graph.nodes[id];
        let v = variable(id);
        let value = match &node.kind {
            Kind::Input(_) | Kind::Tuple(_) | Kind::NoCache | Kind::With(_) => return quote! {},
            Kind::Number(_) => return quote! {},
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
            Kind::Op { op, args } => {
                if let [Arg::Whole(members)] = &args[..] {
                    let (name, joined) = (format_ident!("joined_{}", op.name), members[0]);
                    let input = variable(joined);
                    let call = quote! { ::mlx_runtime::__private::ops::#name(&#input) };
                    let value = self.unpacked(joined, call);
                    return quote! { let #v = #value; };
                }
                let name = Ident::new(op.name, Span::call_site());
                let args = args
                    .iter()
                    .enumerate()
                    .map(|(i, a)| self.arg(a, op.params[i].1));
                quote! { ::mlx_runtime::__private::ops::#name(#(#args),*)? }
            }
            Kind::Leaf { field, args, .. } => {
                let layer = self.layer(field);
                let args = args.iter().flat_map(Arg::values).map(|id| self.read(id));
                self.packed(id, field, quote! { #layer.forward(#(#args),*) })
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
            } => {
                let check = self.check(call, node.span, false);
                let (x, more) = (self.read(*carried), extra.iter().map(|id| self.read(*id)));
                let policy = self.policy(field);
                let (layers, model) = (self.field(field), call.model());
                let rest = (1..=extra.len()).map(|i| quote! { &__x[#i] });
                let last = cache.map(|_| quote! { __cache });
                let run = match &call.callee {
                    Callee::Generic(_) => quote! {
                        ::mlx_runtime::__private::first(::mlx_runtime::model::Model::call(__layer, &[&__x[0], #(#rest),*], __cache)?)
                    },
                    _ => {
                        let forward = forward(node.span);
                        quote! { __layer #forward(&__x[0], #(#rest,)* #last) }
                    }
                };
                let cache = match cache {
                    Some(id) => self.read(*id),
                    None => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
                };
                quote! { {
                    #check
                    ::mlx_runtime::__private::run_layers(
                        #layers, #policy, &[#x, #(#more),*], #cache,
                        |__layer: &#model, __x: &[::mlx_runtime::Array], __cache: &mut ::mlx_runtime::nn::KvCache| {
                            #run
                        },
                    )?
                } }
            }
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
                let layer = self.layer(field);
                let (x, t) = (self.read(*input), self.read(*targets));
                let none = quote! { ::core::option::Option::None };
                let weights = weights.map(|w| self.read(w)).map_or_else(
                    || none.clone(),
                    |w| quote! { ::core::option::Option::Some(#w) },
                );
                let cap = cap.as_ref().map(|c| self.number(c)).map_or_else(
                    || none.clone(),
                    |c| quote! { ::core::option::Option::Some((#c) as f32) },
                );
                let losses = quote! {
                    ::mlx_runtime::__private::projected(#x, &#layer, #t, #weights, #cap)?
                };
                match reduction {
                    None => losses,
                    Some(name) => {
                        let name = Ident::new(name, Span::call_site());
                        quote! { ::mlx_runtime::__private::ops::#name(&#losses, &[], false)? }
                    }
                }
            }
            Kind::Attention(a) => {
                let rope = self.field(&a.rope);
                let (q, k, v) = (self.read(a.q), self.read(a.k), self.read(a.v));
                let head_dim = dim(&a.head_dim, |n| {
                    config_size(&self.model.names, n, &self.model.names.facts)
                });
                let scale = self.arg(&a.scale, crate::ir::P::OptScalar);
                let cache = self.read(a.cache);
                if a.whole {
                    let joined = variable(a.q);
                    let call = quote! {
                        ::mlx_runtime::__private::joined_attention(
                            &#joined, #rope, ::mlx_runtime::__private::size(#head_dim)?, #scale, #cache,
                        )
                    };
                    let (attended, value) = (variable(id), self.unpacked(a.q, call));
                    return quote! { let #attended = #value; };
                }
                quote! {
                    ::mlx_runtime::nn::rope_attention(
                        #rope, #q, #k, #v,
                        ::mlx_runtime::__private::size(#head_dim)?, #scale, #cache,
                    )?
                }
            }
            Kind::ResidualNorm {
                field,
                left,
                right,
                norm,
            } => {
                let (a, b, n) = (self.read(*left), self.read(*right), variable(*norm));
                let field = self.field(field);
                return quote! { let (#v, #n) = #field.forward_sum(#a, #b)?; };
            }
            Kind::Kernel(r) => {
                let values = self.region(r);
                match node.ty {
                    Ty::Tuple(_) => values,
                    _ => quote! { ::mlx_runtime::__private::first(#values)? },
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
                    _ => quote! { ::mlx_runtime::__private::item(&#of_var, #i)? },
                }
            }
        };
        quote! { let #v = #value; }
    }

    /// The first live member of a group computes all of them.
    fn joined(&self, id: Id, input: Id, group: usize) -> TokenStream {
        let members = self.graph.members(group);
        if members.iter().find(|m| self.live.contains(m)) != Some(&id) {
            return quote! {};
        }
        let x = self.read(input);
        let vars = members.iter().map(|m| variable(*m));
        let join = &self.graph.joins[group];
        let (fields, adapters) = (&join.fields, join.adapters);
        let key = join_key(fields);
        let together = quote! {
            ::mlx_runtime::__private::together(self.__mlx.joined(#key), [#(&self.#fields),*], #x, #adapters)
        };
        if join.whole {
            let v = variable(id);
            return quote! { let #v = #together; };
        }
        let all = self.unpacked(id, quote! { #together.parts() });
        quote! { let [#(#vars),*] = #all; }
    }

    /// A fallible call that multiplies with packed weights as they are, unless the projection
    /// dequantises them.
    fn unpacked(&self, id: Id, call: TokenStream) -> TokenStream {
        match self.graph.nodes[id].dequantizes() {
            true => quote! { #call? },
            false => quote! { ::mlx_runtime::__private::keep_quantized(|| #call)? },
        }
    }

    /// A layer in a field: a projection multiplies with packed weights unless it dequantises them.
    fn packed(&self, id: Id, field: &Ident, call: TokenStream) -> TokenStream {
        let linear = self
            .model
            .fields
            .iter()
            .any(|f| f.name == *field && matches!(f.kind, FieldKind::Linear { .. }));
        match linear {
            true => self.unpacked(id, call),
            false => quote! { #call? },
        }
    }

    /// The layer in a field; a tied one borrows its weight from its source.
    fn layer(&self, field: &Ident) -> TokenStream {
        let tied = self
            .model
            .fields
            .iter()
            .find(|f| f.name == *field)
            .and_then(|f| f.tied.as_ref());
        match tied {
            Some(t) => {
                let source = &t.source;
                quote! { ::mlx_runtime::__private::tied(&self.#field, &self.#source) }
            }
            None => self.field(field),
        }
    }

    /// A sub-model's `forward`; of a type parameter, through the trait.
    fn sub(&self, field: &Ident, args: &[Arg], call: &Call, node: &Node) -> TokenStream {
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
        let cache = match ids.iter().find(|id| self.is_cache(**id)) {
            Some(id) => self.read(*id),
            None => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
        };
        let values = match &node.ty {
            Ty::Tuple(parts) => {
                let items =
                    (0..parts.len()).map(|i| quote! { ::mlx_runtime::__private::item(&__y, #i)? });
                quote! { (#(#items,)*) }
            }
            _ => quote! { ::mlx_runtime::__private::first(__y)? },
        };
        quote! { {
            #check
            let __y = ::mlx_runtime::model::Model::call(#f, &[#(#arrays),*], #cache)?;
            #values
        } }
    }

    fn policy(&self, field: &Ident) -> TokenStream {
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
}

/// `.forward`, at the user's call: there rustc counts the arguments.
fn forward(at: Span) -> TokenStream {
    quote_spanned! { at.resolved_at(Span::mixed_site()) => .forward }
}

/// The number of the layer that a model is.
pub fn layer() -> TokenStream {
    quote! { self.__mlx.layer() }
}

/// The name under which a group of joined fields is kept.
pub fn join_key(fields: &[Ident]) -> String {
    fields
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("+")
}
