//! Writes the description of a model for run time: its graphs as text, each node with its line. One literal costs rustc
//! less than the thousands of tokens of the same in constants.
//!
//! Tests: `mlx-tests --test explain`.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{quote, ToTokens};

use super::lines::Lines;
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
    let (mut said, mut out) = (Said::default(), Lines::default());
    out.line(&model.item.ident);
    out.line(line(model.item.ident.span()));
    out.list(names.short.iter(), |out, (short, d)| {
        said.size(d);
        out.line(short);
        out.line(dim(d, &Names::default()));
    });
    out.list(model.fields.iter(), |out, f| {
        field(f, names, &mut said, out)
    });
    out.list(all.iter().zip(graphs), |out, (m, g)| {
        method(model, m, g, None, &mut said, out);
    });
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
            use ::mlx_runtime::{__private as __rt, __private::explain as __e, model::Leaf as __Leaf};
            static __REPORT: __e::Written = __e::Written::new(#out);
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
        (held, dim(&graph.spared(), &model.names))
    });
    let mut out = Lines::default();
    method(model, m, graph, kernel, &mut Said::default(), &mut out);
    let name = &m.name;
    quote! {
        #[allow(missing_docs)]
        impl #name::Explained {
            pub const METHOD: ::mlx_runtime::__private::explain::Lines = {
                use ::mlx_runtime::__private::explain as __e;
                #out
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

fn field(f: &Field, names: &Names, said: &mut Said, out: &mut Lines) {
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
    out.line(&f.name);
    out.line(spaceless(&f.ty));
    out.line(text);
    out.list(marks.iter(), Lines::line);
    out.line(line(f.name.span()));
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
    kernel: Option<(syn::Ident, String)>,
    said: &mut Said,
    out: &mut Lines,
) {
    let (live, kept) = (graph.live(), checkpoint::kept(model, graph));
    out.line(&m.name);
    out.line(line(m.name.span()));
    out.line(ty(&m.ret, &model.names));
    out.list(live.iter(), |out, id| {
        node(model, graph, *id, kept.get(id), said, out);
    });
    let mut all = Vec::new();
    let values = checkpoint::saved(model, graph, checkpoint::Form::Kernels);
    saved(&values, &[], model, said, &mut all);
    out.list(all.iter(), |out, lines| out.append(lines));
    out.optional(kernel, |out, (held, spared)| {
        out.kernel(&held);
        out.line(spared);
    });
}

/// Values that a method keeps, those of arms with their conditions.
fn saved(
    saved: &checkpoint::Saved,
    around: &[(usize, bool, String)],
    model: &ModelDef,
    said: &mut Said,
    all: &mut Vec<Lines>,
) {
    let none = BTreeSet::new();
    let mut parts = vec![
        (&saved.values, "always", &none),
        (&saved.plain, "plain", &none),
        (&saved.scores, "scores", &none),
    ];
    for (fields, size) in &saved.inputs {
        parts.push((size, "trained", fields));
    }
    for (size, why, fields) in parts {
        if *size == Dim::default() {
            continue;
        }
        said.size(size);
        let mut out = Lines::default();
        out.line(dim(size, &model.names));
        out.line(why);
        out.list(fields.iter(), Lines::line);
        out.list(around.iter(), |out, (condition, held, text)| {
            out.line(condition);
            out.line(held);
            out.line(text);
        });
        all.push(out);
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
    out: &mut Lines,
) {
    let node = &graph.nodes[id];
    said.ty(&node.ty);
    out.line(id);
    what(model, &node.kind, said, out);
    out.line(text(graph, id));
    out.line(ty(&node.ty, &model.names));
    out.line(line(node.span));
    out.list(node.inputs().iter(), Lines::line);
    out.optional(kept, |out, fields| out.list(fields.iter(), Lines::line));
    out.optional(graph.fused.get(&id), |out, fused| {
        out.list(fused.passes.iter(), Lines::line);
        let gone = |a: &Id| Some((short(graph, *a)?, line(graph.nodes[*a].span)));
        let gone: Vec<_> = fused.absorbed.iter().filter_map(gone).collect();
        out.list(gone.iter(), |out, (text, line)| {
            out.line(text);
            out.line(line);
        });
    });
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

/// The work of a node: its kind, and what belongs to it.
fn what(model: &ModelDef, kind: &Kind, said: &mut Said, out: &mut Lines) {
    match kind {
        Kind::Input(name) => out.lines(["input", &name.to_string()]),
        Kind::Param(field) | Kind::Weight { field, .. } => {
            out.lines(["param", &field.to_string()]);
        }
        Kind::Op { op, .. } => out.lines(["op", op.name]),
        Kind::Leaf { field, .. } => out.lines(["leaf", &field.to_string()]),
        Kind::Joined { field, group, .. } => {
            out.lines(["joined", &field.to_string(), &group.to_string()]);
        }
        Kind::Sub { call, .. } if matches!(call.callee, Callee::Method(..)) => out.line("nothing"),
        Kind::Sub { field, .. } => out.lines(["model", &field.to_string()]),
        Kind::Layers { field, .. } | Kind::Loop { field, .. } if of_leaves(model, field) => {
            out.line("nothing");
        }
        Kind::Layers { field, .. } | Kind::Loop { field, .. } => {
            out.lines(["layers", &field.to_string(), &policy(model, field)]);
        }
        Kind::Method { name, .. } => out.lines(["method", &name.to_string()]),
        Kind::Function { call, .. } => match &call.callee {
            Callee::Function(path) => {
                out.line("function");
                out.function(path);
            }
            _ => out.line("nothing"),
        },
        Kind::CacheUpdate { .. } => out.lines(["op", "cache.update"]),
        Kind::Held {
            what: Held::Once, ..
        } => out.lines(["op", "cache.keep"]),
        Kind::Held {
            what: Held::State(_),
            ..
        } => out.lines(["op", "cache.state"]),
        Kind::Kernel(r) => {
            let operations = r.graph.nodes.iter().filter_map(|n| match &n.kind {
                Kind::Op { op, .. } if !op.keeps.view => Some(op.name),
                _ => None,
            });
            let operations: Vec<&str> = operations.collect();
            let spared = r.graph.spared();
            said.size(&spared);
            out.line("kernel");
            out.list(operations.iter(), Lines::line);
            out.line(dim(&spared, &model.names));
            let held = regions::programs(&model.names, r).map(|_| lower::region::held(model, r));
            out.optional(held, |out, held| out.kernel(&held));
        }
        Kind::LinearCrossEntropy { .. } => out.lines(["with", "linear_cross_entropy"]),
        Kind::Attention(_) => out.lines(["with", "rope_attention"]),
        Kind::If {
            condition,
            then,
            otherwise,
        } => {
            out.line("if");
            out.line(said.conditions.len());
            said.conditions.push(condition.clone());
            out.line(condition::text(condition));
            for place in [then.start, then.end, otherwise.start, otherwise.end] {
                out.line(place);
            }
        }
        Kind::Held { .. }
        | Kind::Item(..)
        | Kind::NoCache
        | Kind::Number(_)
        | Kind::Steps { .. }
        | Kind::Tuple(_) => out.line("nothing"),
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
        quote! { __o.leaf(#text, __Leaf::#variant(__field)); }
    };
    let inner = match &f.kind {
        FieldKind::Linear { .. } => leaf("Linear"),
        FieldKind::Embedding { .. } => leaf("Embedding"),
        FieldKind::Layer(held) => {
            let variant = lower::layers::variant(held);
            quote! { __o.leaf(#text, __Leaf::#variant(__field)); }
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
