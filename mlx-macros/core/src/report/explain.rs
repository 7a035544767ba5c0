//! Writes the description of a model for run time: its graphs as constants, each node with its line.
//!
//! Tests: `mlx-tests --test explain`.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{quote, ToTokens};

use crate::ir::{Callee, Graph, Held, Id, Kind};
use crate::kernel::regions;
use crate::lower::{self, estimated_size};
use crate::plan::checkpoint;
use crate::report;
use crate::syntax::condition;
use crate::syntax::dims::{is_free, Dim, Quotient};
use crate::syntax::kind::{FieldKind, Policy};
use crate::syntax::model::{Field, ModelDef};
use crate::syntax::names::Names;
use crate::syntax::signature::{Method, Ty};

/// `Definition::outline` of a whole model.
pub fn outline(model: &ModelDef, all: &[Method], graphs: &[Graph]) -> TokenStream {
    let names = &model.names;
    let mut said = Said::default();
    let (name, line) = (model.item.ident.to_string(), line(model.item.ident.span()));
    let fields: Vec<TokenStream> = model
        .fields
        .iter()
        .map(|f| field(f, names, &mut said))
        .collect();
    let both = all.iter().zip(graphs);
    let methods: Vec<TokenStream> = both
        .map(|(m, g)| method(model, m, g, None, &mut said))
        .collect();
    let shorts = names.short.iter().map(|(short, d)| {
        said.size(d);
        let text = dim(d, &Names::default());
        quote! { (#short, #text) }
    });
    let shorts: Vec<TokenStream> = shorts.collect();
    let sizes = said.sizes.iter().map(|n| {
        let size = estimated_size(names, n);
        quote! { (#n, #size) }
    });
    let layer = quote! { self.__mlx.layer() };
    let conditions = said
        .conditions
        .iter()
        .map(|e| lower::config::tokens(e, &layer));
    let parts = model.fields.iter().map(part);
    quote! {
        fn outline<'__a>(&'__a self, __o: &mut ::mlx_runtime::__private::explain::Outline<'__a>) {
            #[allow(unused_imports)]
            use ::core::option::Option::{None as __none, Some as __some};
            use ::mlx_runtime::__private::explain as __e;
            static __REPORT: __e::Report = __e::Report {
                name: #name, file: ::core::file!(), line: #line,
                sizes: &[#(#shorts),*], fields: &[#(#fields),*], methods: &[#(#methods),*],
            };
            let __c = self.__mlx.config();
            __o.model(&__REPORT, self.__mlx.dtype(), &[#(#sizes),*], &[#(#conditions),*]);
            #(#parts)*
        }
    }
}

/// The report of a helper function, as a constant of the type `Explained` in its module, but
/// written outside of that, where the paths in its body mean something.
/// `is_kernel`, if it is one launch.
pub fn function(
    model: &ModelDef,
    m: &Method,
    graph: Option<&Graph>,
    is_kernel: bool,
) -> TokenStream {
    let nothing = Graph::default();
    let graph = graph.unwrap_or(&nothing);
    let kernel = is_kernel.then(|| {
        let held = lower::kernel::of_function(&m.name);
        let spared = dim(&graph.spared(), &model.names);
        quote! { (#held, #spared) }
    });
    let report = method(model, m, graph, kernel, &mut Said::default());
    let name = &m.name;
    quote! {
        #[allow(missing_docs)]
        impl #name::Explained {
            pub const METHOD: ::mlx_runtime::__private::explain::Method = {
                #[allow(unused_imports)]
                use ::core::option::Option::{None as __none, Some as __some};
                use ::mlx_runtime::__private::explain as __e;
                #report
            };
        }
    }
}

/// The fields of the config that the report names.
#[derive(Default)]
struct Said {
    sizes: BTreeSet<String>,
    conditions: Vec<syn::Expr>,
}

impl Said {
    fn size(&mut self, d: &Dim) {
        let names = d.names().into_iter().filter(|n| !is_free(n));
        self.sizes.extend(names.map(String::from));
    }

    fn ty(&mut self, t: &Ty) {
        match t {
            Ty::Tensor(shape, _) => shape.iter().for_each(|d| self.size(d)),
            Ty::Tuple(all) => all.iter().for_each(|t| self.ty(t)),
            _ => {}
        }
    }
}

fn line(span: Span) -> u32 {
    u32::try_from(span.start().line).unwrap_or(0)
}

fn field(f: &Field, names: &Names, said: &mut Said) -> TokenStream {
    let (name, line) = (f.name.to_string(), line(f.name.span()));
    let sizes: Vec<&Dim> = match &f.kind {
        FieldKind::Param { shape, .. } => shape.iter().collect(),
        FieldKind::Layers { count, .. } => vec![count],
        FieldKind::Model => vec![],
        other => of_layer(other),
    };
    sizes.iter().for_each(|d| said.size(d));
    let text: Vec<String> = sizes.iter().map(|d| dim(d, names)).collect();
    let text = match &f.kind {
        FieldKind::Layers { .. } => text.concat(),
        _ if text.is_empty() => String::new(),
        _ => format!("[{}]", text.join(", ")),
    };
    let mut marks: Vec<String> = Vec::new();
    marks.extend(f.lora.then(|| "lora".to_string()));
    marks.extend(f.frozen.then(|| "frozen".to_string()));
    marks.extend(f.tied.as_ref().map(|t| match &t.when {
        Some(when) => format!("tied to {} when {}", t.source, condition::text(when)),
        None => format!("tied to {}", t.source),
    }));
    marks.extend(
        f.when
            .as_ref()
            .map(|w| format!("when {}", condition::text(w))),
    );
    let ty = spaceless(&f.ty);
    quote! { __e::Field { name: #name, ty: #ty, sizes: #text, marks: &[#(#marks),*], line: #line } }
}

/// The sizes of a layer of the runtime.
fn of_layer(kind: &FieldKind) -> Vec<&Dim> {
    match kind {
        FieldKind::Linear { out, input, .. } => vec![out, input],
        FieldKind::Embedding { rows, dim } => vec![rows, dim],
        FieldKind::Layer(held) => held.dims.iter().collect(),
        FieldKind::Rope { dims, .. } => vec![dims],
        _ => vec![],
    }
}

/// A type as people write it.
fn spaceless(ty: &impl ToTokens) -> String {
    let text = ty.to_token_stream().to_string();
    text.replace(" < ", "<")
        .replace(" >", ">")
        .replace(" :: ", "::")
        .replace(" ,", ",")
}

fn method(
    model: &ModelDef,
    m: &Method,
    graph: &Graph,
    kernel: Option<TokenStream>,
    said: &mut Said,
) -> TokenStream {
    let kernel = option(kernel);
    let (live, kept) = (graph.live(), checkpoint::kept(model, graph));
    let nodes = live
        .iter()
        .map(|id| node(model, graph, *id, kept.get(id), said));
    let nodes: Vec<TokenStream> = nodes.collect();
    let mut all = Vec::new();
    saved(
        &checkpoint::saved(model, graph, checkpoint::Form::Kernels),
        &[],
        model,
        said,
        &mut all,
    );
    let (name, line) = (m.name.to_string(), line(m.name.span()));
    let ret = ty(&m.ret, &model.names);
    quote! {
        __e::Method {
            name: #name, file: ::core::file!(), line: #line, ret: #ret,
            nodes: &[#(#nodes),*], saved: &[#(#all),*], kernel: #kernel,
        }
    }
}

/// An optional value as Rust.
fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote! { __some(#value) },
        None => quote! { __none },
    }
}

/// Values that a method keeps, those of arms with their conditions.
fn saved(
    saved: &checkpoint::Saved,
    around: &[(usize, bool, String)],
    model: &ModelDef,
    said: &mut Said,
    all: &mut Vec<TokenStream>,
) {
    let w = quote! { __e::Why };
    let mut parts = vec![
        (&saved.values, quote! { #w::Always }),
        (&saved.plain, quote! { #w::Plain }),
        (&saved.scores, quote! { #w::Scores }),
    ];
    for (fields, size) in &saved.inputs {
        parts.push((size, quote! { #w::Trained(&[#(#fields),*]) }));
    }
    let arms: Vec<TokenStream> = around
        .iter()
        .map(|(c, held, text)| quote! { (#c, #held, #text) })
        .collect();
    for (size, why) in parts {
        if *size == Dim::default() {
            continue;
        }
        said.size(size);
        let text = dim(size, &model.names);
        all.push(quote! { __e::Saved { size: #text, why: #why, arms: &[#(#arms),*] } });
    }
    for (condition, then, otherwise) in &saved.arms {
        let number = said.conditions.len();
        said.conditions.push(condition.clone());
        for (arm, held) in [(then, true), (otherwise, false)] {
            let text = condition::text(condition);
            let around = [around, &[(number, held, text)]].concat();
            self::saved(arm, &around, model, said, all);
        }
    }
}

fn node(
    model: &ModelDef,
    graph: &Graph,
    id: Id,
    kept: Option<&BTreeSet<String>>,
    said: &mut Said,
) -> TokenStream {
    let kept = match kept {
        None => quote! { __none },
        Some(fields) => quote! { __some(&[#(#fields),*]) },
    };
    let node = &graph.nodes[id];
    said.ty(&node.ty);
    let what = what(model, &node.kind, said);
    let (text, ty, line) = (
        self::text(graph, id),
        ty(&node.ty, &model.names),
        line(node.span),
    );
    let reads = node.inputs();
    let fused = match graph.fused.get(&id) {
        None => quote! { __none },
        Some(f) => {
            let passes = &f.passes;
            let absorbed = f.absorbed.iter().filter_map(|a| {
                let gone = &graph.nodes[*a];
                let (text, line) = (short(graph, *a)?, self::line(gone.span));
                Some(quote! { (#text, #line) })
            });
            quote! { __some(&__e::Fused { passes: &[#(#passes),*], absorbed: &[#(#absorbed),*] }) }
        }
    };
    quote! {
        __e::Node { id: #id, what: #what, text: #text, ty: #ty, line: #line, reads: &[#(#reads),*], kept: #kept, fused: #fused }
    }
}

/// A node as it would be written.
fn text(graph: &Graph, id: Id) -> String {
    match &graph.nodes[id].kind {
        Kind::Joined { field, input, .. } => format!("self.{field}(%{input})"),
        Kind::Sub { field, .. } => format!("self.{field}({})", inputs(graph, id)),
        Kind::Method { name, .. } => format!("self.{name}({})", inputs(graph, id)),
        Kind::Layers { field, .. } | Kind::Loop { field, .. } => {
            format!("for layer in self.{field} ({})", inputs(graph, id))
        }
        Kind::Attention(a) => {
            let window = a.window.as_ref().map_or(String::new(), |w| {
                let only = match &w.only {
                    None => String::new(),
                    Some((e, true)) => format!(" if {}", condition::text(e)),
                    Some((e, false)) => format!(" unless {}", condition::text(e)),
                };
                format!(", sliding({}){only}", condition::text(&w.count))
            });
            format!(
                "rope_attention(self.{}, %{}, %{}, %{}{window})",
                a.rope, a.q, a.k, a.v
            )
        }
        Kind::Steps { count, .. } => format!("for _ in 0..{count} ({})", inputs(graph, id)),
        _ => report::what(graph, id),
    }
}

fn inputs(graph: &Graph, id: Id) -> String {
    let all: Vec<String> = graph.nodes[id]
        .inputs()
        .iter()
        .map(|i| format!("%{i}"))
        .collect();
    all.join(", ")
}

/// The name of what a node did before it was absorbed; nothing for what does no work.
fn short(graph: &Graph, id: Id) -> Option<String> {
    Some(match &graph.nodes[id].kind {
        Kind::Op { op, .. } => op.name.to_string(),
        Kind::CacheUpdate { .. } => "cache.update".to_string(),
        Kind::If { condition, .. } => format!("if {}", condition::text(condition)),
        Kind::Held {
            what: Held::Part(_),
            ..
        } => return None,
        Kind::Item(..) | Kind::Tuple(_) | Kind::Number(_) => return None,
        Kind::Leaf { field, .. } | Kind::Joined { field, .. } => format!("self.{field}"),
        _ => report::what(graph, id),
    })
}

fn what(model: &ModelDef, kind: &Kind, said: &mut Said) -> TokenStream {
    let w = quote! { __e::What };
    let s = |name: &syn::Ident| name.to_string();
    match kind {
        Kind::Input(name) => {
            let name = s(name);
            quote! { #w::Input(#name) }
        }
        Kind::Param(field) => {
            let field = s(field);
            quote! { #w::Param(#field) }
        }
        Kind::Weight { field, .. } => {
            let field = s(field);
            quote! { #w::Param(#field) }
        }
        Kind::Op { op, .. } => {
            let name = op.name;
            quote! { #w::Op(#name) }
        }
        Kind::Leaf { field, .. } => {
            let field = s(field);
            quote! { #w::Leaf(#field) }
        }
        Kind::Joined { field, group, .. } => {
            let field = s(field);
            quote! { #w::Joined(#field, #group) }
        }
        Kind::Steps { .. } => quote! { #w::Nothing },
        Kind::Sub { call, .. } if matches!(call.callee, Callee::Method(..)) => {
            quote! { #w::Nothing }
        }
        Kind::Sub { field, .. } => {
            let field = s(field);
            quote! { #w::Model(#field) }
        }
        Kind::Layers { field, .. } | Kind::Loop { field, .. } if of_leaves(model, field) => {
            quote! { #w::Nothing }
        }
        Kind::Layers { field, .. } | Kind::Loop { field, .. } => {
            let policy = policy(model, field);
            let field = s(field);
            quote! { #w::Layers(#field, #policy) }
        }
        Kind::Method { name, .. } => {
            let name = s(name);
            quote! { #w::Method(#name) }
        }
        Kind::Function { call, .. } => match &call.callee {
            Callee::Function(path) => quote! { #w::Function(&#path::Explained::METHOD) },
            _ => quote! { #w::Nothing },
        },
        Kind::CacheUpdate { .. } => quote! { #w::Op("cache.update") },
        Kind::Held {
            what: Held::Once, ..
        } => quote! { #w::Op("cache.keep") },
        Kind::Held {
            what: Held::State(_),
            ..
        } => quote! { #w::Op("cache.state") },
        Kind::Held { .. } => quote! { #w::Nothing },
        Kind::Kernel(r) => {
            let operations = r.graph.nodes.iter().filter_map(|n| match &n.kind {
                Kind::Op { op, .. } if !op.keeps.view => Some(op.name),
                _ => None,
            });
            let spared = r.graph.spared();
            said.size(&spared);
            let spared = dim(&spared, &model.names);
            let held = regions::programs(&model.names, r).map(|_| lower::region::held(model, r));
            let held = option(held.map(|h| h.to_token_stream()));
            quote! { #w::Kernel { operations: &[#(#operations),*], spared: #spared, kernel: #held } }
        }
        Kind::LinearCrossEntropy { field, .. } => {
            let field = s(field);
            quote! { #w::With("linear_cross_entropy", #field) }
        }
        Kind::Attention(a) => {
            let field = s(&a.rope);
            quote! { #w::With("rope_attention", #field) }
        }
        Kind::If {
            condition,
            then,
            otherwise,
        } => {
            let number = said.conditions.len();
            said.conditions.push(condition.clone());
            let text = condition::text(condition);
            let (a, b, c, d) = (then.start, then.end, otherwise.start, otherwise.end);
            quote! { #w::If { condition: #number, text: #text, then: (#a, #b), otherwise: (#c, #d) } }
        }
        Kind::NoCache | Kind::Number(_) | Kind::Item(..) | Kind::Tuple(_) => {
            quote! { #w::Nothing }
        }
    }
}

fn policy(model: &ModelDef, field: &syn::Ident) -> String {
    let declared = model
        .fields
        .iter()
        .find(|f| f.name == *field)
        .map(|f| &f.kind);
    match declared {
        Some(FieldKind::Layers { checkpoint, .. }) => match checkpoint {
            Policy::Auto => "auto".to_string(),
            Policy::Every(n) => format!("every({n})"),
            Policy::Always => "always".to_string(),
            Policy::Never => "never".to_string(),
        },
        _ => "auto".to_string(),
    }
}

/// True of a stack of single layers.
fn of_leaves(model: &ModelDef, field: &syn::Ident) -> bool {
    let leaves = |k: &FieldKind| matches!(k, FieldKind::Layers { leaf: Some(_), .. });
    model
        .fields
        .iter()
        .any(|f| f.name == *field && leaves(&f.kind))
}

/// A field of the loaded model.
fn part(f: &Field) -> TokenStream {
    let (name, text) = (&f.name, f.name.to_string());
    let leaf = |variant: &str| {
        let variant = syn::Ident::new(variant, Span::call_site());
        quote! { __o.leaf(#text, ::mlx_runtime::model::Leaf::#variant(__field)); }
    };
    let inner = match &f.kind {
        FieldKind::Linear { .. } => leaf("Linear"),
        FieldKind::Embedding { .. } => leaf("Embedding"),
        FieldKind::Layer(held) => {
            let variant = lower::layers::variant(held);
            quote! { __o.leaf(#text, ::mlx_runtime::model::Leaf::#variant(__field)); }
        }
        FieldKind::Param { .. } => leaf("Param"),
        FieldKind::Rope { .. } => quote! { __o.plain(#text); },
        FieldKind::Model => quote! { __o.child(#text, __field); },
        FieldKind::Layers { leaf: Some(_), .. } => quote! { let _ = __field; __o.plain(#text); },
        FieldKind::Layers { .. } => quote! { __o.layers(#text, __field); },
    };
    let unboxed = f.boxed.then(|| quote! { let __field = &**__field; });
    match f.when {
        None => quote! { { let __field = &self.#name; #unboxed #inner } },
        Some(_) => {
            quote! { if let ::core::option::Option::Some(__field) = &self.#name { #unboxed #inner } }
        }
    }
}

fn ty(t: &Ty, names: &Names) -> String {
    match t {
        Ty::Tensor(shape, dtype) => {
            let dims: Vec<String> = shape.iter().map(|d| dim(d, names)).collect();
            format!("[{}] {}", dims.join(", "), dtype.name())
        }
        Ty::Tuple(all) => {
            let all: Vec<String> = all.iter().map(|t| ty(t, names)).collect();
            all.join("; ")
        }
        Ty::Cache => "cache".to_string(),
        Ty::Number | Ty::Whole => "number".to_string(),
        Ty::Unknown => String::new(),
    }
}

/// A size as the runtime reads it again: `+`, `-`, `*`, `/` and brackets mean what they mean in
/// Rust, and a quotient stands in brackets unless it is alone.
fn dim(d: &Dim, names: &Names) -> String {
    let plain = d.as_name().is_some_and(|n| Quotient::of(n).is_none());
    let named = |d: &Dim| {
        names
            .short
            .iter()
            .find(|(_, v)| *v == d)
            .map(|(n, _)| n.clone())
    };
    if let (false, Some(short)) = (plain, named(d)) {
        return short;
    }
    let mut out = String::new();
    let (with, number): (Vec<_>, Vec<_>) = d.terms().partition(|(m, _)| !m.is_empty());
    for (i, (factors, c)) in with.into_iter().chain(number).enumerate() {
        out += match (i, c < 0) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        };
        let mut all: Vec<String> = Vec::new();
        if c.unsigned_abs() != 1 || factors.is_empty() {
            all.push(c.unsigned_abs().to_string());
        }
        let mut factors = factors.to_vec();
        // The longest names for products first.
        let mut short: Vec<_> = names.short.iter().collect();
        short.sort_by_key(|(_, d)| std::cmp::Reverse(d.names().len()));
        for (name, d) in short {
            let mut terms = d.terms();
            let (Some((product, 1)), None) = (terms.next(), terms.next()) else {
                continue;
            };
            let mut rest = factors.clone();
            let mut has = |f: &String| {
                let at = rest.iter().position(|r| r == f);
                at.map(|i| rest.remove(i)).is_some()
            };
            if product.len() > 1 && product.iter().all(&mut has) {
                rest.push(name.clone());
                factors = rest;
            }
        }
        for f in &factors {
            all.push(match Quotient::of(f) {
                None => f.clone(),
                Some(q) => named(&Dim::name(f)).unwrap_or_else(|| {
                    let side = |d: &Dim| match d.terms().count() > 1 {
                        true => format!("({d})"),
                        false => d.to_string(),
                    };
                    match q.divisor() {
                        by if by.as_constant().is_some() || by.as_name().is_some() => {
                            format!("({}/{by})", side(&q.of))
                        }
                        by => format!("({}/({by}))", side(&q.of)),
                    }
                }),
            });
        }
        out += &all.join("*");
    }
    match out.is_empty() {
        true => "0".to_string(),
        false => out,
    }
}
