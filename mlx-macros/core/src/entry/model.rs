//! Expands `#[mlx_model]` from the tokens of a struct and its impl.
//!
//! Tests: `tests/llama.rs`, `tests/right.rs`.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, ToTokens};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{ItemImpl, ItemStruct, Meta};

use super::broken;
use super::doubt::doubt;
use super::unused::{config_fields, names_twice, unused, unused_sizes};
use crate::check::{build, lints, recursion, tuples};
use crate::diag::lints::Warning;
use crate::diag::Diag;
use crate::fuse;
use crate::ir::Graph;
use crate::kernel::regions;
use crate::lower::{self, checkpoint, define};
use crate::report::explain;
use crate::syntax::arrays;
use crate::syntax::function_source;
use crate::syntax::model::{self, ModelDef};
use crate::syntax::nesting;
use crate::syntax::signature::{self, Method};

/// `#[mlx_model]` on a struct or an impl.
///
/// A struct becomes itself and a hidden macro that holds its tokens. An impl becomes a call of that macro, which hands
/// both to [`expand`], so that one expansion sees the whole definition.
pub fn attribute(attr: TokenStream, item: TokenStream) -> TokenStream {
    if let Err(e) = nesting::check(&attr).and(nesting::check(&item)) {
        return e.to_tokens();
    }
    if let Ok(s) = syn::parse2::<ItemStruct>(item.clone()) {
        return structure(attr, s);
    }
    let i = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(i) => i,
        Err(e) => {
            let guard = broken::guard(
                e.span(),
                "the macros do not know this syntax: write it in another form",
            );
            match broken::left(&item) {
                Some(broken::Left::Struct(s)) => {
                    let out = structure(attr, s);
                    return quote! { #guard #out };
                }
                Some(broken::Left::Impl(i)) => {
                    let out = implementation(attr, i);
                    return quote! { #guard #out };
                }
                None => {
                    let error = Diag::not_a_model(Span::call_site(), "another item").to_tokens();
                    return quote! { #error #item };
                }
            }
        }
    };
    implementation(attr, i)
}

/// The attribute by which an impl hands on the lints that it allows.
const ALLOW: &str = "__mlx_allow";

/// The lints that the arguments of an impl's attribute allow.
fn allowed(attr: TokenStream) -> Result<Vec<String>, Diag> {
    let all = Punctuated::<Meta, syn::Token![,]>::parse_terminated.parse2(attr)?;
    let lists = all.iter().map(|m| match m {
        Meta::List(list) if list.path.is_ident("allow") => model::lints(list),
        other => Err(Diag::impl_argument(
            other.span(),
            other.path().to_token_stream(),
        )),
    });
    Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Hands an impl to the hidden macro of its struct.
fn implementation(attr: TokenStream, mut i: ItemImpl) -> TokenStream {
    let mut error = None;
    match allowed(attr) {
        Ok(all) if all.is_empty() => {}
        Ok(all) => {
            let all = all.iter().map(|n| format_ident!("{n}"));
            let allow = format_ident!("{ALLOW}");
            i.attrs.push(syn::parse_quote!(#[#allow(#(#all),*)]));
        }
        Err(e) => error = Some(e.to_tokens()),
    }
    match (&*i.self_ty, &i.trait_) {
        (syn::Type::Path(p), None) if p.path.segments.last().is_some() => {
            let name = p.path.segments.last().map(|s| s.ident.clone());
            // An impl of a misspelt name is the impl of the struct that it means.
            let meant = name
                .as_ref()
                .and_then(|n| function_source::model_like(&n.to_string(), n.span()));
            let (name, misspelt) = match (name, meant) {
                (Some(name), Some(meant)) => {
                    let near = format!(" (did you mean `{meant}`?)");
                    let error = Diag::impl_of_nothing(name.span(), &name, near).to_tokens();
                    let meant = syn::Ident::new(&meant, name.span());
                    (Some(meant), Some(error))
                }
                (name, _) => (name, None),
            };
            if let (syn::Type::Path(p), Some(name)) = (&mut *i.self_ty, &name) {
                if let Some(last) = p.path.segments.last_mut() {
                    last.ident = name.clone();
                }
            }
            let hidden = name.map(|n| format_ident!("__mlx_model_{}", n));
            quote! { #error #misspelt #hidden! { #i } }
        }
        _ => {
            let error = Diag::not_a_model(i.impl_token.span, "another `impl`").to_tokens();
            quote! { #error }
        }
    }
}

fn structure(attr: TokenStream, item: ItemStruct) -> TokenStream {
    let hidden = format_ident!("__mlx_model_{}", item.ident);
    match model::read(attr.clone(), item.clone(), &passes()) {
        (model, errors) if errors.is_empty() && !model.broken => {
            let out = define::item(&model);
            quote! {
                #out
                #[allow(unused_macros)]
                macro_rules! #hidden { ($($t:tt)*) => { ::mlx_macros::__mlx_impl! { { #attr } { #item } $($t)* } }; }
            }
        }
        (model, errors) => {
            let errors = errors.iter().map(Diag::to_tokens);
            // The stand-in for the impl implements it.
            let stripped = define::without_debug(model::stripped(item.clone(), &model));
            quote! {
                #(#errors)*
                #[derive(Clone)]
                #stripped
                #[allow(unused_macros)]
                macro_rules! #hidden { ($($t:tt)*) => { ::mlx_macros::__mlx_impl! { { #attr } { #item } $($t)* } }; }
            }
        }
    }
}

/// A struct as it is understood.
pub(super) fn struct_of(attr: TokenStream, item: ItemStruct) -> (ModelDef, Vec<Diag>) {
    model::read(attr, item, &passes())
}

/// The names of all passes.
fn passes() -> Vec<&'static str> {
    [&fuse::names()[..], &[regions::NAME]].concat()
}

/// A whole model: the struct's attribute and tokens, and the impl.
pub struct Whole {
    /// The struct.
    pub model: ModelDef,
    /// The methods.
    pub methods: Vec<Method>,
    /// The graph of each method, fused.
    pub graphs: Vec<Graph>,
    /// Mistakes that shapes do not show.
    pub warnings: Vec<Warning>,
}

/// Analyses a model: its definition, methods and graphs, or all of its errors.
pub fn analyse(
    attr: TokenStream,
    item: ItemStruct,
    methods: &ItemImpl,
) -> Result<Whole, (Vec<Diag>, Vec<Method>)> {
    read(attr, item, methods).map_err(|m| ([m.of_struct, m.of_impl].concat(), m.methods))
}

/// The lints of a model, as far as its bodies are right.
pub fn warnings(attr: TokenStream, item: ItemStruct, methods: &ItemImpl) -> Vec<Warning> {
    let (model, _) = model::read(attr, item, &passes());
    let (found, _) = signature::methods(methods, &model.names);
    let graphs = found.iter().filter(|m| !m.broken);
    let graphs = graphs.filter_map(|m| build::graph(&model, &found, m).ok());
    lints::of_model(&model, &graphs.collect::<Vec<_>>(), &[])
}

/// A model with errors, as far as it is understood.
pub(super) struct Mistaken {
    /// Errors of the struct, which its own expansion reports.
    of_struct: Vec<Diag>,
    /// Errors of the impl.
    pub of_impl: Vec<Diag>,
    /// The struct.
    pub model: ModelDef,
    /// The methods, as far as their signatures are understood.
    pub methods: Vec<Method>,
    /// The parts that are right in the methods' bodies, by their names.
    pub graphs: Vec<(String, Graph)>,
    /// The checks of calls of other models, for rustc.
    checks: TokenStream,
}

fn read(attr: TokenStream, item: ItemStruct, methods: &ItemImpl) -> Result<Whole, Box<Mistaken>> {
    let mut whole = checked(attr, item, methods)?;
    let Whole {
        model,
        methods,
        graphs,
        ..
    } = &mut whole;
    for (m, g) in methods.iter().zip(graphs) {
        fuse::run(model, g);
        regions::run(model, m, g);
    }
    Ok(whole)
}

/// A model before its graphs are fused.
pub(super) fn checked(
    attr: TokenStream,
    item: ItemStruct,
    methods: &ItemImpl,
) -> Result<Whole, Box<Mistaken>> {
    let arrays = arrays::of(&item);
    let (mut model, of_struct) = model::read(attr, item, &passes());
    let mut methods = methods.clone();
    let elements = arrays::rewrite(&mut methods, &arrays);
    tuples::of_impl(&mut methods);
    let methods = &methods;
    let (mut found, mut errors) = signature::methods(methods, &model.names);
    errors.extend(elements);
    let of_impl = methods.attrs.iter().filter(|a| a.path().is_ident(ALLOW));
    let of_impl = of_impl.filter_map(|a| {
        a.meta
            .require_list()
            .ok()
            .and_then(|l| model::lints(l).ok())
    });
    model.allowed.extend(of_impl.flatten());
    if model.broken {
        return Err(Box::new(Mistaken {
            of_struct,
            of_impl: vec![],
            checks: TokenStream::new(),
            model,
            methods: found,
            graphs: vec![],
        }));
    }
    errors.extend(names_twice(&model, &found));
    let (mut graphs, mut checks) = (Vec::new(), Vec::new());
    let (mut right, mut partial) = (Vec::new(), Vec::new());
    for m in found.iter().filter(|m| !m.broken) {
        match build::graph(&model, &found, m) {
            Ok(g) => {
                right.push(m.name.to_string());
                graphs.push(g);
            }
            Err(wrong) => {
                let (e, graph) = *wrong;
                errors.extend(e);
                checks.push(lower::checks(&model, &graph));
                partial.push((m.name.to_string(), graph));
            }
        }
    }
    // The sizes of a config without a field are not what they say, here and where this model is used.
    let absent = model::absent(&model, &config_fields(methods));
    if !absent.is_empty() {
        let guards = absent
            .iter()
            .filter(|a| a.reported)
            .map(|a| broken::guard(a.error.span, &a.error.message));
        let own = absent
            .iter()
            .filter(|a| !a.reported)
            .map(|a| a.error.clone());
        return Err(Box::new(Mistaken {
            of_struct,
            of_impl: own.collect(),
            checks: guards.collect(),
            model: ModelDef {
                broken: true,
                ..model
            },
            methods: found,
            graphs: partial,
        }));
    }
    // Of a body that does not parse, rustc has reported it.
    let whole = !found.iter().any(|m| m.broken);
    if errors.is_empty() && of_struct.is_empty() && whole {
        errors.extend(unused(&model, &graphs));
        errors.extend(unused_sizes(&model));
        let both: Vec<(&Method, &Graph)> = found.iter().zip(&graphs).collect();
        errors.extend(recursion::of_methods(&both));
        let read = config_fields(methods);
        let read: Vec<String> = read.iter().map(|i| i.unraw().to_string()).collect();
        errors.extend(model::hidden(&model.names, &read));
    }
    if !errors.is_empty() || !of_struct.is_empty() || !whole {
        doubt(&mut found, &mut errors);
        return Err(Box::new(Mistaken {
            of_struct,
            of_impl: errors,
            checks: {
                let right = graphs.iter().map(|g| lower::checks(&model, g));
                checks.into_iter().chain(right).collect()
            },
            graphs: right.into_iter().zip(graphs).chain(partial).collect(),
            model,
            methods: found,
        }));
    }
    let config: Vec<String> = model.source.iter().map(|(name, _)| name.clone()).collect();
    let warnings = lints::of_model(&model, &graphs, &config);
    Ok(Whole {
        model,
        methods: found,
        graphs,
        warnings,
    })
}

/// Expands a whole model, given as `{ attribute } { struct } impl`.
pub fn expand(input: TokenStream) -> TokenStream {
    if let Err(e) = nesting::check(&input) {
        return e.to_tokens();
    }
    let (attr, item, methods) = match syn::parse2::<Input>(input) {
        Ok(Input(a, s, i)) => (a, s, i),
        Err(e) => return e.to_compile_error(),
    };
    let (mut attr, mut item, mut methods) = (attr, item, methods);
    let errors = parameters(&mut attr, &mut item, &mut methods);
    let errors = errors.iter().map(Diag::to_tokens);
    let errors: TokenStream = errors.collect();
    let (generics, self_ty) = (methods.generics.clone(), methods.self_ty.clone());
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    match read(attr, item, &methods) {
        Ok(w) => {
            let mut joins: Vec<Vec<syn::Ident>> = Vec::new();
            for j in w.graphs.iter().flat_map(|g| &g.joins).map(|j| &j.fields) {
                // A layer has one place in memory: of groups that share one, the first is kept.
                if !joins.iter().flatten().any(|f| j.contains(f)) {
                    joins.push(j.clone());
                }
            }
            let mut hidden = checkpoint::saved_by_method(&w.model, &w.methods, &w.graphs);
            hidden.extend(explain::outline(&w.model, &w.methods, &w.graphs));
            let model = define::model_impl(&w.model, &w.methods, &joins, &hidden);
            let bodies = w
                .methods
                .iter()
                .zip(&w.graphs)
                .map(|(m, g)| lower::method(&w.model, m, g));
            let signatures = define::signatures(&w.model, &w.methods);
            let attrs = methods.attrs.iter().filter(|a| !a.path().is_ident(ALLOW));
            let checks = w
                .model
                .digest
                .as_ref()
                .map(|d| lower::digest::checks(d, &w.model));
            let warnings = w.warnings.iter().map(Warning::to_tokens);
            let kernels = w.graphs.iter().map(|g| lower::region::kernels(&w.model, g));
            quote! {
                #errors
                #model
                #checks
                #(#warnings)*
                #(#kernels)*
                #(#attrs)*
                impl #impl_generics #self_ty #where_clause { #signatures #(#bodies)* }
            }
        }
        Err(m) => {
            let of_impl = m.of_impl.iter().map(Diag::to_tokens);
            // Of methods of one name the first stays.
            let before = |i: usize| m.methods[..i].iter().map(|m| &m.name);
            let each = m.methods.iter().enumerate();
            let each = each.filter(|(i, m)| !before(*i).any(|n| *n == m.name));
            let bodies = each.map(|(_, m)| lower::placeholder(m, true));
            let checks = m.checks;
            let sizes = (!m.model.broken).then(|| define::sizes(&m.model));
            let calls = quote! { #[allow(dead_code)] fn __calls() { #sizes #checks } };
            let signatures = define::signatures(&m.model, &m.methods);
            // The items stay, so that the editor and other models still see them.
            let model = define::stand_in(&m.model, &m.methods);
            quote! {
                #errors
                #(#of_impl)*
                #model
                impl #impl_generics #self_ty #where_clause { #signatures #(#bodies)* #calls }
            }
        }
    }
}

/// The mistakes in an impl's type parameters, which become those of the struct. The struct's own are reported there.
pub(super) fn parameters(
    attr: &mut TokenStream,
    item: &mut ItemStruct,
    methods: &mut ItemImpl,
) -> Vec<Diag> {
    let config = Punctuated::<Meta, syn::Token![,]>::parse_terminated.parse2(attr.clone());
    let config = config.iter().flatten().find_map(|m| match m {
        Meta::NameValue(syn::MetaNameValue {
            path,
            value: syn::Expr::Path(p),
            ..
        }) if path.is_ident("config") => Some(p.path.clone()),
        _ => None,
    });
    let mut whole = item.clone();
    let lost = !model::generics(&mut whole, config.as_ref()).is_empty();
    let mut own = match lost {
        true => whole.generics,
        false => item.generics.clone(),
    };
    let of_struct = !model::bounds(&mut own, config.as_ref()).is_empty();
    let count = |g: &syn::Generics| g.type_params().count();
    let given = match &*methods.self_ty {
        syn::Type::Path(p) => match p.path.segments.last().map(|s| &s.arguments) {
            Some(syn::PathArguments::AngleBracketed(a)) => a.args.len(),
            _ => 0,
        },
        _ => 0,
    };
    let mut found = Vec::new();
    let lost = count(&methods.generics) < count(&own) || given < count(&own);
    if lost
        && methods
            .generics
            .params
            .iter()
            .all(|p| matches!(p, syn::GenericParam::Type(_)))
    {
        let tight = |t: String| {
            t.replace(" :", ":")
                .replace(" <", "<")
                .replace("< ", "<")
                .replace(" >", ">")
        };
        let shown = own
            .params
            .iter()
            .map(|p| tight(p.to_token_stream().to_string()));
        let names: Vec<String> = own.type_params().map(|t| t.ident.to_string()).collect();
        let (shown, names) = (shown.collect::<Vec<_>>().join(", "), names.join(", "));
        found.push(Diag::impl_parameters(
            methods.self_ty.span(),
            &item.ident,
            shown,
            names,
        ));
    } else {
        found.extend(model::bounds(&mut methods.generics, config.as_ref()));
    }
    let whole = item.generics.type_params().count() > 0 && (lost || of_struct);
    if whole {
        let name = &item.ident;
        methods.generics = own.clone();
        let (_, args, _) = own.split_for_impl();
        *methods.self_ty = syn::parse_quote!(#name #args);
    }
    match of_struct {
        true => vec![],
        false => found,
    }
}

/// The three parts that the hidden macro passes on.
pub(super) struct Input(pub TokenStream, pub ItemStruct, pub ItemImpl);

impl syn::parse::Parse for Input {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Self> {
        let (attr, item);
        syn::braced!(attr in input);
        syn::braced!(item in input);
        let (attr, item): (TokenStream, TokenStream) = (attr.parse()?, item.parse()?);
        let mut methods: ItemImpl = input.parse()?;
        outside(&mut methods.attrs);
        for item in &mut methods.items {
            if let syn::ImplItem::Fn(f) = item {
                outside(&mut f.attrs);
            }
        }
        let user = methods.impl_token.span;
        let item = syn::parse2(as_written(item, user))?;
        let item = syn::parse2(renamed(&item, &methods.self_ty))?;
        Ok(Input(as_written(attr, user), item, methods))
    }
}

/// The struct with its type parameters called as the impl calls them: `impl<B: ..> Block<B>`.
fn renamed(item: &ItemStruct, own: &syn::Type) -> TokenStream {
    let syn::Type::Path(p) = own else {
        return quote! { #item };
    };
    let args = match p.path.segments.last().map(|s| &s.arguments) {
        Some(syn::PathArguments::AngleBracketed(a)) => a.args.iter().collect(),
        _ => vec![],
    };
    let named = item.generics.params.iter().zip(args);
    let pairs: Vec<(String, syn::Ident)> = named
        .filter_map(|(param, arg)| match (param, arg) {
            (syn::GenericParam::Type(t), syn::GenericArgument::Type(syn::Type::Path(p))) => {
                Some((t.ident.to_string(), p.path.get_ident()?.clone()))
            }
            _ => None,
        })
        .filter(|(old, new)| *new != old.as_str())
        .collect();
    fn replace(tokens: TokenStream, pairs: &[(String, syn::Ident)]) -> TokenStream {
        let token = |t: TokenTree| match t {
            TokenTree::Group(g) => {
                let mut new = Group::new(g.delimiter(), replace(g.stream(), pairs));
                new.set_span(g.span());
                TokenTree::Group(new)
            }
            TokenTree::Ident(i) => match pairs.iter().find(|(old, _)| i == old.as_str()) {
                Some((_, new)) => {
                    let mut new = new.clone();
                    new.set_span(i.span());
                    TokenTree::Ident(new)
                }
                None => TokenTree::Ident(i),
            },
            other => other,
        };
        tokens.into_iter().map(token).collect()
    }
    replace(quote! { #item }, &pairs)
}

/// Turns `#![..]` into `#[..]`, because attributes are written before their item.
pub(super) fn outside(attrs: &mut [syn::Attribute]) {
    for attr in attrs {
        attr.style = syn::AttrStyle::Outer;
    }
}

/// Gives the struct's tokens the spans of the user's source. They come out of the hidden macro; with these spans rustc
/// reports errors at them without naming that macro, and with its own suggestions.
fn as_written(tokens: TokenStream, user: Span) -> TokenStream {
    let token = |t: TokenTree| match t {
        TokenTree::Group(g) => {
            let mut new = Group::new(g.delimiter(), as_written(g.stream(), user));
            new.set_span(g.span().resolved_at(user));
            TokenTree::Group(new)
        }
        // `$crate` has its meaning from where it stands.
        TokenTree::Ident(i) if i == "$crate" => TokenTree::Ident(i),
        mut other => {
            other.set_span(other.span().resolved_at(user));
            other
        }
    };
    tokens.into_iter().map(token).collect()
}
