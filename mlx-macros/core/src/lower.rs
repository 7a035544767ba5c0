//! From graphs to Rust: one call of the runtime for each node, one `?` each, no `unsafe`.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned, ToTokens};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Ident};

use crate::build::variable;
use crate::dims::{is_free, Dim};
use crate::fuse::live;
use crate::ir::{Arg, Call, Graph, Id, Kind};
use crate::parse::{FieldKind, ModelDef, Policy};
use crate::signature::{Dt, Method, Ty};

/// A method with its body lowered.
pub fn method(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    let l = Lower { model, graph };
    let live = live(graph);
    let body: TokenStream = (0..graph.nodes.len())
        .filter(|id| live.contains(id))
        .map(|id| l.node(id, &live))
        .collect();
    let prologue = l.prologue(m, &live);
    let result = graph.result.map(|id| l.result(id));
    wrap(
        m,
        quote! { #prologue #body ::core::result::Result::Ok(#result) },
    )
}

/// A method of a model that has mistakes: it only keeps its callers from having more.
pub fn placeholder(m: &Method) -> TokenStream {
    wrap(m, quote! { ::mlx_runtime::__private::never() })
}

fn wrap(m: &Method, body: TokenStream) -> TokenStream {
    let Method {
        attrs, vis, name, ..
    } = m;
    let args = m.args.iter().map(|a| {
        let n = &a.name;
        match a.ty {
            Ty::Cache => quote! { #n: &mut ::mlx_runtime::nn::KvCache },
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
    quote! {
        #(#attrs)* #doc
        #[allow(unused_variables, clippy::all)]
        #vis fn #name(&self, #(#args),*) -> ::mlx_runtime::Result<#ret> { #body }
    }
}

struct Lower<'a> {
    model: &'a ModelDef,
    graph: &'a Graph,
}

impl Lower<'_> {
    /// Binds the free dims to the arguments' sizes and checks every other size.
    fn prologue(&self, m: &Method, live: &BTreeSet<Id>) -> TokenStream {
        let free = m.free_dims();
        let what = format!("{}::{}", self.model.item.ident, m.name);
        let args = m.args.iter().filter_map(|a| match &a.ty {
            Ty::Tensor(shape, d) => {
                let (name, text) = (&a.name, a.name.to_string());
                let dims = shape.iter().map(|d| size_pattern(d, &free));
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
        for id in live {
            if let Kind::Op { args, .. } = &self.graph.nodes[*id].kind {
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
        let config = used.iter().map(|n| {
            let (var, field) = (dim_var(n), config_field(n));
            quote! { let #var = __c.#field as i64; }
        });
        quote! {
            let __c = self.__mlx.config();
            let [#(#vars),*] = ::mlx_runtime::__private::bind(#what, self.__mlx.dtype(), &[#(#args),*], [#(#free),*])?;
            #(#config)*
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
            Kind::Method { .. } | Kind::Sub { .. } => variable(id).to_token_stream(),
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

    fn node(&self, id: Id, live: &BTreeSet<Id>) -> TokenStream {
        let node = &self.graph.nodes[id];
        let v = variable(id);
        let value = match &node.kind {
            Kind::Input(_) | Kind::Tuple(_) | Kind::NoCache | Kind::With(_) => return quote! {},
            Kind::Param(f) => quote! { self.#f.value() },
            Kind::Op { op, args } => {
                let name = Ident::new(op.name, Span::call_site());
                let args = args
                    .iter()
                    .enumerate()
                    .map(|(i, a)| self.arg(a, op.params[i].1));
                quote! { ::mlx_runtime::__private::ops::#name(#(#args),*)? }
            }
            Kind::Leaf { field, args } => {
                let layer = self.layer(field);
                let args = args.iter().flat_map(Arg::values).map(|id| self.read(id));
                quote! { #layer.forward(#(#args),*)? }
            }
            Kind::Joined { input, group, .. } => return self.joined(id, *input, *group, live),
            Kind::Sub { field, args, call } => {
                let check = self.check(call, node.span);
                let args = args.iter().flat_map(Arg::values).map(|id| self.read(id));
                quote! { { #check self.#field.forward(#(#args),*)? } }
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
                let check = self.check(call, node.span);
                let (x, more) = (self.read(*carried), extra.iter().map(|id| self.read(*id)));
                let policy = self.policy(field);
                let model = &call.model;
                let rest = (1..=extra.len()).map(|i| quote! { &__x[#i] });
                let last = cache.map(|_| quote! { __cache });
                let cache = match cache {
                    Some(id) => self.read(*id),
                    None => quote! { &mut ::mlx_runtime::nn::KvCache::off() },
                };
                quote! { {
                    #check
                    ::mlx_runtime::__private::run_layers(
                        &self.#field, #policy, &[#x, #(#more),*], #cache,
                        |__layer: &#model, __x: &[::mlx_runtime::Array], __cache: &mut ::mlx_runtime::nn::KvCache| {
                            __layer.forward(&__x[0], #(#rest,)* #last)
                        },
                    )?
                } }
            }
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
            } => {
                let layer = self.layer(field);
                let (x, t, w) = (self.read(*input), self.read(*targets), self.read(*weights));
                quote! { ::mlx_runtime::nn::linear_cross_entropy(#x, &#layer, #t, #w)? }
            }
            Kind::Attention(a) => {
                let rope = &a.rope;
                let (q, k, v) = (self.read(a.q), self.read(a.k), self.read(a.v));
                let head_dim = dim(&a.head_dim, |n| {
                    let field = config_field(n);
                    quote! { (__c.#field as i64) }
                });
                let scale = self.arg(&a.scale, crate::ops::P::Scale);
                let cache = self.read(a.cache);
                quote! {
                    ::mlx_runtime::nn::rope_attention(
                        &self.#rope, #q, #k, #v,
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
                return quote! { let (#v, #n) = self.#field.forward_sum(#a, #b)?; };
            }
            Kind::Item(of, i) => {
                let of_var = variable(*of);
                match &self.graph.nodes[*of].kind {
                    Kind::Method { .. } | Kind::Sub { .. } => {
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
    fn joined(&self, id: Id, input: Id, group: usize, live: &BTreeSet<Id>) -> TokenStream {
        let members: Vec<Id> = (0..self.graph.nodes.len())
            .filter(|i| matches!(self.graph.nodes[*i].kind, Kind::Joined { group: g, .. } if g == group))
            .collect();
        if members.iter().find(|m| live.contains(m)) != Some(&id) {
            return quote! {};
        }
        let x = self.read(input);
        let vars = members.iter().map(|m| variable(*m));
        let fields = &self.graph.joins[group];
        let key = join_key(fields);
        quote! {
            let [#(#vars),*] = ::mlx_runtime::__private::joined(self.__mlx.joined(#key), [#(&self.#fields),*], #x)?;
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
            None => quote! { self.#field },
        }
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

    fn arg(&self, a: &Arg, kind: crate::ops::P) -> TokenStream {
        use crate::ops::P;
        let mask = quote! { ::mlx_runtime::ops::fast::Mask };
        match (a, kind) {
            (Arg::Value(id), P::Mask) => {
                let v = self.read(*id);
                quote! { #mask::Array(#v) }
            }
            (Arg::Causal, _) => quote! { #mask::Causal },
            (Arg::Absent, P::Mask) => quote! { #mask::None },
            (Arg::Absent, P::Bool) => quote! { false },
            (Arg::Absent, _) => quote! { ::core::option::Option::None },
            (Arg::Value(id), _) => self.read(*id),
            (Arg::Weak { expr, like }, _) => {
                let (e, like) = (number_expr(expr), self.read(*like));
                quote! { &::mlx_runtime::__private::weak(#e, #like)? }
            }
            (Arg::Values(ids), _) => {
                let all = ids.iter().map(|id| self.read(*id));
                quote! { &[#(#all),*] }
            }
            (Arg::Int(i), _) => (*i as i32).to_token_stream(),
            (Arg::Ints(l), _) => {
                let l = l.iter().map(|i| *i as i32);
                quote! { &[#(#l),*] }
            }
            (Arg::Dims(d), _) => {
                let d = d.iter().map(|d| match d.as_constant() {
                    Some(-1) => quote! { -1 },
                    _ => {
                        let e = dim(d, |n| dim_var(n).to_token_stream());
                        quote! { ::mlx_runtime::__private::size(#e)? }
                    }
                });
                quote! { &[#(#d),*] }
            }
            (Arg::Scalar(e), P::Scale) => {
                let e = number_expr(e);
                quote! { ::core::option::Option::Some((#e) as f32) }
            }
            (Arg::Scalar(e), _) => {
                let e = number_expr(e);
                quote! { (#e) as f32 }
            }
            (Arg::Bool(e), _) => e.to_token_stream(),
            (Arg::Dtype(Dt::Float), _) => quote! { self.__mlx.dtype() },
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

    /// Constants that make rustc compare this call with the sub-model's own signature, each placed
    /// at the argument it is about.
    fn check(&self, call: &Call, span: Span) -> TokenStream {
        let Call {
            model,
            what,
            args,
            ret,
        } = call;
        let caller = self.model.item.ident.to_string();
        let all: Vec<TokenStream> = args.iter().map(|(t, _)| sig_type(t)).collect();
        let sig = quote! { &<#model as ::mlx_runtime::model::Model>::SIG };
        let each = args.iter().enumerate().map(|(i, (_, at))| {
            let at = at.resolved_at(Span::mixed_site());
            quote_spanned! { at => const _: () = ::mlx_runtime::__private::check_argument(#sig, #caller, #what, &[#(#all),*], #i); }
        });
        let ret = sig_type(ret);
        let at = span.resolved_at(Span::mixed_site());
        let result = quote_spanned! { at => const _: () = ::mlx_runtime::__private::check_result(#sig, #caller, #what, &[#(#all),*], &#ret); };
        quote! { #(#each)* #result }
    }
}

/// The name under which a group of joined fields is kept.
pub fn join_key(fields: &[Ident]) -> String {
    fields
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("+")
}

/// A type as the runtime's `SigType`, with sizes in their normal form.
pub fn sig_type(t: &Ty) -> TokenStream {
    let s = quote! { ::mlx_runtime::__private::SigType };
    match t {
        Ty::Tensor(shape, d) => {
            let dims = shape.iter().map(ToString::to_string);
            let d = d.name();
            quote! { #s::Tensor(&[#(#dims),*], #d) }
        }
        Ty::Tuple(all) => {
            let all = all.iter().map(sig_type);
            quote! { #s::Tuple(&[#(#all),*]) }
        }
        Ty::Cache | Ty::Unknown => quote! { #s::Cache },
    }
}

/// The config's field for a dim; a keyword becomes a raw identifier.
pub fn config_field(name: &str) -> Ident {
    syn::parse_str(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site()))
}

fn dim_var(name: &str) -> Ident {
    format_ident!("__d_{}", name, span = Span::mixed_site())
}

/// A size as an `i64` expression; config values saturate rather than overflow.
pub fn dim(d: &Dim, var: impl Fn(&str) -> TokenStream) -> TokenStream {
    let terms = d.terms().map(|(names, c)| {
        names.iter().fold(quote! { #c }, |product, n| {
            let v = var(n);
            quote! { (#product).saturating_mul(#v) }
        })
    });
    terms
        .reduce(|a, b| quote! { (#a).saturating_add(#b) })
        .unwrap_or_else(|| quote! { 0i64 })
}

fn size_pattern(d: &Dim, free: &[String]) -> TokenStream {
    let p = quote! { ::mlx_runtime::__private::Size };
    if let Some(i) = d.as_name().and_then(|n| free.iter().position(|f| f == n)) {
        return quote! { #p::Free(#i) };
    }
    if d.names().iter().any(|n| is_free(n)) {
        return quote! { #p::Any };
    }
    let e = dim(d, |n| {
        let field = config_field(n);
        quote! { (__c.#field as i64) }
    });
    quote! { #p::Fixed(#e) }
}

/// A number in a body, computed in f64 so that no quotient truncates and nothing overflows.
fn number_expr(e: &Expr) -> TokenStream {
    match e {
        Expr::Lit(l) => match &l.lit {
            syn::Lit::Int(i) => {
                let digits = i.base10_parse::<f64>().unwrap_or(f64::NAN);
                quote! { #digits }
            }
            syn::Lit::Float(f) => {
                let digits = f.base10_parse::<f64>().unwrap_or(f64::NAN);
                quote! { #digits }
            }
            other => other.to_token_stream(),
        },
        Expr::Unary(u) => {
            let inner = number_expr(&u.expr);
            quote! { (-#inner) }
        }
        Expr::Binary(b) => {
            let (l, op, r) = (number_expr(&b.left), &b.op, number_expr(&b.right));
            quote! { (#l #op #r) }
        }
        Expr::Paren(p) => number_expr(&p.expr),
        Expr::Cast(c) => number_expr(&c.expr),
        other => {
            let field = config_expr(other);
            quote! { (#field as f64) }
        }
    }
}

/// A number of the config: `config.rope_theta` or the bare field name becomes a field access.
pub fn config_expr(e: &Expr) -> TokenStream {
    struct Rename;
    impl VisitMut for Rename {
        fn visit_expr_mut(&mut self, e: &mut Expr) {
            match e {
                Expr::Field(f) => {
                    if let (Expr::Path(p), syn::Member::Named(n)) = (&*f.base, &f.member) {
                        if p.path.is_ident("config") {
                            *e = syn::parse_quote!(__c.#n);
                            return;
                        }
                    }
                    visit_mut::visit_expr_mut(self, e);
                }
                Expr::Path(p) => {
                    if let Some(n) = p.path.get_ident() {
                        *e = syn::parse_quote!(__c.#n);
                    }
                }
                _ => visit_mut::visit_expr_mut(self, e),
            }
        }
    }
    let mut e = e.clone();
    Rename.visit_expr_mut(&mut e);
    e.to_token_stream()
}
