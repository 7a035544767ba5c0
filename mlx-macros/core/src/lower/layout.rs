//! Writes the tensors that a model reads from a checkpoint as constant data (`Definition::LAYOUT`), and the numbers of the
//! config that they depend on (`Definition::facts`).
//!
//! Tests: `mlx-tests --test weights`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{BinOp, Expr, Ident, Lit, Member, UnOp};

use crate::lower::config::pretty;
use crate::lower::weights;
use crate::syntax::dims::{config_field, Dim, Quotient};
use crate::syntax::kind::FieldKind;
use crate::syntax::layers::Setting;
use crate::syntax::model::{Field, ModelDef};

/// Both, for the `impl Definition`.
pub fn items(model: &ModelDef) -> TokenStream {
    let p = quote! { __rt };
    let (what, config) = (model.item.ident.to_string(), &model.config);
    let mut names: Vec<Ident> = Vec::new();
    let requires: Vec<TokenStream> = model
        .requires
        .iter()
        .map(|e| {
            let (text, holds) = (pretty(e), fact(e, &mut names));
            let mut own = Vec::new();
            fact(e, &mut own);
            let own = own.iter().map(Ident::to_string);
            quote! { #p::RequireLayout { text: #text, holds: #holds, names: &[#(#own),*] } }
        })
        .collect();
    let fields: Vec<TokenStream> = holding(model)
        .map(|f| field(model, f, &mut names))
        .collect();
    let facts = names.iter().map(|n| {
        let (text, mut n) = (n.to_string(), n.clone());
        if let Some(at) = model.names.places.borrow().get(&n.unraw().to_string()) {
            n.set_span(*at);
        }
        quote! { __f(#text, ::mlx_runtime::__private::show(&__config.#n)); }
    });
    let own = model.fields.iter().filter(|f| f.config.is_none());
    let inner = own.filter_map(|f| match &f.kind {
        FieldKind::Layers { leaf: Some(_), .. } => None,
        FieldKind::Model => Some(&f.ty),
        FieldKind::Layers { model, .. } => Some(model),
        _ => None,
    });
    quote! {
        const LAYOUT: ::mlx_runtime::__private::Layout = {
            use ::mlx_runtime::__private::{self as __rt, layout::*};
            #p::Layout { model: #what, file: ::core::file!(), requires: &[#(#requires),*], fields: &[#(#fields),*] }
        };
        fn facts(__config: &#config, __f: &mut dyn FnMut(&'static str, ::std::string::String)) {
            #(#facts)*
            #(<#inner as ::mlx_runtime::__private::Definition<_>>::facts(__config, __f);)*
        }
    }
}

/// The fields that hold tensors or models.
fn holding(model: &ModelDef) -> impl Iterator<Item = &Field> {
    let all = model.fields.iter();
    all.filter(|f| !matches!(f.kind, FieldKind::Rope { .. }))
}

/// The place of a field among those of the layout.
pub fn place(model: &ModelDef, f: &Field) -> usize {
    holding(model).position(|o| o.name == f.name).unwrap_or(0)
}

fn field(model: &ModelDef, f: &Field, names: &mut Vec<Ident>) -> TokenStream {
    let p = quote! { __rt };
    let always = || quote! { __ALWAYS };
    let (name, line) = (f.name.to_string(), f.name.span().start().line as u32);
    let places = weights::names(f.weights.as_ref(), &f.weight_name());
    let when = f.when.as_ref().map_or_else(always, |e| fact(e, names));
    let tensors = match &f.kind {
        FieldKind::Linear { out, input, bias } => {
            let mut none = Vec::new();
            let own = match &f.tied {
                None => always(),
                Some(t) => match &t.when {
                    None => quote! { __Number(0.0) },
                    Some(e) => {
                        let tied = fact(e, &mut none);
                        quote! { __Not(&#tied) }
                    }
                },
            };
            let biased = bias.as_ref().map(|e| fact(e, &mut none));
            none.into_iter().for_each(|n| remember(n, names));
            let weight = tensor(model, "weight", &[out, input], own, true, names);
            let bias = biased.map(|when| tensor(model, "bias", &[out], when, false, names));
            vec![weight].into_iter().chain(bias).collect()
        }
        FieldKind::Embedding { rows, dim } => {
            vec![tensor(model, "weight", &[rows, dim], always(), true, names)]
        }
        FieldKind::Layer(held) => {
            let dims: Vec<&Dim> = held.dims.iter().collect();
            let option = |name: &str| {
                let at = held.layer.options.iter().position(|o| o.0 == name)?;
                held.options.get(at)
            };
            let groups = match option("groups") {
                Some(Setting::Sizes(s)) => s.first().filter(|d| !d.is_one()),
                _ => None,
            };
            let bias = match option("bias") {
                Some(Setting::Flag(e)) => Some(fact(e, names)),
                _ => None,
            };
            let mut tensors = vec![match held.layer.indexed {
                true => tensor(model, "weight", &dims, always(), true, names),
                false => layer_weight(model, &dims, groups, names),
            }];
            if let (Some(when), Some(out)) = (bias, dims.first()) {
                let shape = match (held.layer.indexed, &dims[..]) {
                    (true, [experts, out, _]) => vec![*experts, *out],
                    _ => vec![*out],
                };
                tensors.push(tensor(model, "bias", &shape, when, false, names));
            }
            tensors
        }
        FieldKind::Param { shape, .. } => {
            let shape: Vec<&Dim> = shape.iter().collect();
            vec![tensor(model, "", &shape, always(), false, names)]
        }
        FieldKind::Rope { .. } => vec![],
        FieldKind::Layers { .. } | FieldKind::Model => vec![],
    };
    let inner = |ty: &syn::Type| quote! { &<#ty as #p::Definition<_>>::LAYOUT };
    let holds = match (&f.kind, f.config.is_some()) {
        // A digest knows stacks of models alone; the load compares these.
        (FieldKind::Layers { leaf: Some(_), .. }, _) => quote! { Tensors(&[]) },
        (FieldKind::Layers { model, .. }, true) => {
            let inner = inner(model);
            quote! { LayersApart(#inner) }
        }
        (FieldKind::Layers { count, model, .. }, false) => {
            let (count, inner) = (size(count, names), inner(model));
            quote! { Layers(#count, #inner) }
        }
        (FieldKind::Model, apart) => {
            let inner = inner(&f.ty);
            match apart {
                true => quote! { ModelApart(#inner) },
                false => quote! { Model(#inner) },
            }
        }
        _ => quote! { Tensors(&[#(#tensors),*]) },
    };
    quote! { #p::FieldLayout { name: #name, line: #line, names: #places, when: #when, holds: #p::Holds::#holds } }
}

fn tensor(
    model: &ModelDef,
    leaf: &str,
    shape: &[&Dim],
    when: TokenStream,
    matrix: bool,
    names: &mut Vec<Ident>,
) -> TokenStream {
    let p = quote! { __rt };
    let shape: Vec<TokenStream> = shape
        .iter()
        .map(|d| {
            let (text, value) = (model.names.dim(d), size(d, names));
            quote! { (#text, #value) }
        })
        .collect();
    quote! { #p::TensorLayout { leaf: #leaf, shape: &[#(#shape),*], when: #when, matrix: #matrix } }
}

/// The weight of a norm or convolution; each group of a convolution reads its part of the inputs.
fn layer_weight(
    model: &ModelDef,
    dims: &[&Dim],
    groups: Option<&Dim>,
    names: &mut Vec<Ident>,
) -> TokenStream {
    let p = quote! { __rt };
    let always = quote! { __ALWAYS };
    let (Some(groups), Some((input, rest))) = (groups, dims.split_last()) else {
        return tensor(model, "weight", dims, always, false, names);
    };
    let mut shape: Vec<TokenStream> = rest
        .iter()
        .map(|d| {
            let (text, value) = (model.names.dim(d), size(d, names));
            quote! { (#text, #value) }
        })
        .collect();
    let (input, groups) = (size(input, names), size(groups, names));
    shape.push(quote! { ("in / groups", __Binary(__Div, &#input, &#groups)) });
    quote! { #p::TensorLayout { leaf: "weight", shape: &[#(#shape),*], when: #always, matrix: false } }
}

fn remember(name: Ident, names: &mut Vec<Ident>) {
    if !names.contains(&name) {
        names.push(name);
    }
}

/// A size as a fact.
fn size(d: &Dim, names: &mut Vec<Ident>) -> TokenStream {
    let binary =
        |op: TokenStream, a: TokenStream, b: TokenStream| quote! { __Binary(#op, &#a, &#b) };
    let number = |n: i64| {
        let n = n as f64;
        quote! { __Number(#n) }
    };
    let mut sum: Option<TokenStream> = None;
    for (factors, c) in d.terms() {
        let mut product: Option<TokenStream> = (c != 1 || factors.is_empty()).then(|| number(c));
        for n in factors {
            let factor = match Quotient::of(n) {
                None => {
                    let constant = n.contains("::");
                    let field = (!constant).then(|| config_field(n, Span::call_site()));
                    let field: Option<Ident> = field.and_then(|f| syn::parse2(f).ok());
                    match field {
                        Some(field) => {
                            let text = field.to_string();
                            remember(field, names);
                            quote! { __Config(#text) }
                        }
                        // A digest knows the config's own numbers alone.
                        None => quote! { __Unknown },
                    }
                }
                Some(q) => {
                    let (of, by) = (size(&q.of, names), size(&q.divisor(), names));
                    binary(quote! { __Div }, of, by)
                }
            };
            product = Some(match product {
                None => factor,
                Some(p) => binary(quote! { __Mul }, p, factor),
            });
        }
        let term = product.unwrap_or_else(|| number(1));
        sum = Some(match sum {
            None => term,
            Some(s) => binary(quote! { __Add }, s, term),
        });
    }
    sum.unwrap_or_else(|| number(0))
}

/// A condition or number of the config as a fact; what it cannot say is left to the load.
fn fact(e: &Expr, names: &mut Vec<Ident>) -> TokenStream {
    let mut config = |name: &Ident| {
        let text = name.to_string();
        remember(name.clone(), names);
        quote! { __Config(#text) }
    };
    match e {
        Expr::Paren(e) => fact(&e.expr, names),
        Expr::Group(e) => fact(&e.expr, names),
        Expr::Cast(e) => fact(&e.expr, names),
        Expr::Unary(u) => {
            let inner = fact(&u.expr, names);
            match u.op {
                UnOp::Not(_) => quote! { __Not(&#inner) },
                UnOp::Neg(_) => {
                    quote! { __Binary(__Sub, &__Number(0.0), &#inner) }
                }
                _ => quote! { __Unknown },
            }
        }
        Expr::Lit(l) => {
            let n = match &l.lit {
                Lit::Int(i) => i.base10_parse::<f64>().ok(),
                Lit::Float(f) => f.base10_parse::<f64>().ok(),
                Lit::Bool(b) => Some(f64::from(u8::from(b.value))),
                _ => None,
            };
            n.map_or_else(|| quote! { __Unknown }, |n| quote! { __Number(#n) })
        }
        Expr::Path(path) if path.path.is_ident("layer") => quote! { __Layer },
        Expr::Path(path) => match path.path.get_ident() {
            Some(name) => config(name),
            None => quote! { __Unknown },
        },
        Expr::Field(f) => match (&*f.base, &f.member) {
            (Expr::Path(base), Member::Named(name)) if base.path.is_ident("config") => config(name),
            _ => quote! { __Unknown },
        },
        Expr::MethodCall(m) if m.args.is_empty() => {
            let mut own = Vec::new();
            fact(&m.receiver, &mut own);
            let (Some(name), true) = (own.first().cloned(), own.len() == 1) else {
                return quote! { __Unknown };
            };
            let text = name.to_string();
            remember(name, names);
            match m.method.to_string().as_str() {
                "is_some" => quote! { __IsSome(#text) },
                "is_none" => quote! { __Not(&__IsSome(#text)) },
                _ => quote! { __Unknown },
            }
        }
        Expr::Binary(b) => {
            let op = match b.op {
                BinOp::Add(_) => quote! { __Add },
                BinOp::Sub(_) => quote! { __Sub },
                BinOp::Mul(_) => quote! { __Mul },
                BinOp::Div(_) => quote! { __Div },
                BinOp::Rem(_) => quote! { __Rem },
                BinOp::Eq(_) => quote! { __Eq },
                BinOp::Ne(_) => quote! { __Ne },
                BinOp::Lt(_) => quote! { __Lt },
                BinOp::Le(_) => quote! { __Le },
                BinOp::Gt(_) => quote! { __Gt },
                BinOp::Ge(_) => quote! { __Ge },
                BinOp::And(_) => quote! { __And },
                BinOp::Or(_) => quote! { __Or },
                _ => return quote! { __Unknown },
            };
            let (l, r) = (fact(&b.left, names), fact(&b.right, names));
            quote! { __Binary(#op, &#l, &#r) }
        }
        _ => quote! { __Unknown },
    }
}
