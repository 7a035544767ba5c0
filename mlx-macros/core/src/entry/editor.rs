//! The expansion that rust-analyzer gets: every message of the macros and the signatures of the methods, as for rustc, no
//! code that computes, and each body again for the editor (`shadow`).
//!
//! Tests: `mlx-tests --test editor`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, ToTokens};
use syn::{Field, Fields, FnArg, Item, ItemFn, ItemImpl, ItemStruct};

use super::functions;
use super::model::{self, Input, Mistaken, Whole};
use super::shadow::{self, Head, Types};
use super::typing;
use crate::diag::Diag;
use crate::lower::{self, define};
use crate::syntax::nesting;
use crate::syntax::signature::Method;

/// True if this process is rust-analyzer, or its server for macros.
pub fn is_here() -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_stem().unwrap_or_default();
    name.to_string_lossy().starts_with("rust-analyzer")
}

/// A whole model, given as [`crate::expand`] gets it.
pub fn expand(input: TokenStream) -> TokenStream {
    if nesting::check(&input).is_err() {
        return model::expand(input);
    }
    // While the user types, nothing is said of what is there.
    let whole = typing::repaired(&input);
    let typing = typing::is_unwritten(&whole) || syn::parse2::<Input>(input.clone()).is_err();
    let Ok(Input(attr, item, methods)) = syn::parse2(whole) else {
        return model::expand(input);
    };
    let (mut attr, mut item, mut impl_) = (attr, item, methods);
    let mut errors = model::parameters(&mut attr, &mut item, &mut impl_);
    let (parts, graphs, warnings): (_, Vec<_>, _) = match model::checked(attr, item, &impl_) {
        Ok(w) => {
            let Whole {
                model,
                methods,
                graphs,
                warnings,
            } = w;
            let names = methods.iter().map(|m| m.name.to_string());
            let graphs = names.zip(graphs).collect();
            ((model, methods), graphs, warnings)
        }
        Err(m) => {
            let Mistaken {
                of_impl,
                model,
                methods,
                graphs,
                ..
            } = *m;
            errors.extend(of_impl);
            ((model, methods), graphs, vec![])
        }
    };
    let (model, methods) = parts;
    let errors = errors.iter().filter(|_| !typing).map(Diag::to_tokens);
    let errors: TokenStream = errors.collect();
    let warnings = warnings.iter().filter(|_| !typing);
    let warnings: TokenStream = warnings.map(|w| w.to_tokens()).collect();
    let first = |i: usize| !methods[..i].iter().any(|m| m.name == methods[i].name);
    let each: Vec<&Method> = (0..methods.len())
        .filter(|i| first(*i))
        .map(|i| &methods[i])
        .collect();
    let placeholders = each.iter().map(|m| lower::placeholder(&elsewhere(m), true));
    let mut types = Types::default();
    let user = impl_.impl_token.span;
    let bodies = each.iter().map(|m| {
        let graph = graphs.iter().find(|(name, _)| m.name == name.as_str());
        let written = written(&impl_, m);
        let head = Head {
            signature: written.map(|f| &f.sig),
            body: written.map(|f| &f.block),
            user,
        };
        let graph = graph.map(|(_, g)| g);
        shadow::method(&model, &methods, m, graph, &head, &mut types)
    });
    let bodies: Vec<TokenStream> = bodies.collect();
    let types = types.items();
    let (generics, self_ty) = (impl_.generics.clone(), &impl_.self_ty);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let signatures = define::signatures(&model, &methods);
    let stand_in = define::stand_in(&model, &methods);
    let names = each.iter().map(|m| shadow::body_of(m));
    // The analyzer compares this expansion with one of the same body with another name in it, place by place: what
    // depends on the body stands behind it. The trait keeps the bodies out of completion.
    quote! {
        const _: () = {
            use ::mlx_runtime::__private::editor as __ed;
            use ::mlx_runtime::__private::{editor::words::*, ops::*};
            mod __bodies { pub trait Bodies { #(fn #names(&self);)* } }
            impl #impl_generics __bodies::Bodies for #self_ty #where_clause { #(#bodies)* }
            #types
        };
        #stand_in
        impl #impl_generics #self_ty #where_clause { #signatures #(#placeholders)* }
        #errors
        #warnings
    }
}

/// A function with `#[mlx_fn]` or `#[mlx_kernel]`, of which `expand` gives the output, and its body again.
pub fn function(item: TokenStream, expand: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    if nesting::check(&item).is_err() {
        return expand(item);
    }
    let whole = typing::repaired(&item);
    let typing = typing::is_unwritten(&whole) || syn::parse2::<ItemFn>(item.clone()).is_err();
    let out = match typing {
        true => TokenStream::new(),
        false => expand(item.clone()),
    };
    let Ok(mut f) = syn::parse2::<ItemFn>(whole) else {
        return expand(item);
    };
    for arg in &mut f.sig.inputs {
        if let FnArg::Typed(a) = arg {
            a.attrs.clear();
        }
    }
    let model = functions::no_model(&f);
    let (m, graph) = functions::read(&model, &f);
    let graph = match &graph {
        Ok(g) => g,
        Err(wrong) => &wrong.1,
    };
    let head = Head {
        signature: Some(&f.sig),
        body: None,
        user: f.sig.fn_token.span,
    };
    let mut types = Types::default();
    let body = shadow::method(&model, &[], &m, Some(graph), &head, &mut types);
    let types = types.items();
    let out = match typing {
        true => lower::placeholder(&elsewhere(&m), false),
        false => out,
    };
    quote! {
        const _: () = {
            use ::mlx_runtime::__private::editor as __ed;
            use ::mlx_runtime::__private::{editor::words::*, ops::*};
            #body
            #types
        };
        #out
    }
}

/// A struct or an impl with `#[mlx_model]`, and the sizes in the attributes of the struct again.
pub fn attribute(attr: TokenStream, item: TokenStream) -> TokenStream {
    let out = model::attribute(attr.clone(), item.clone());
    let Ok(item) = syn::parse2::<ItemStruct>(item) else {
        return out;
    };
    let named = [dims(&attr), attributes(&item)];
    let arrays: Vec<Field> = item.fields.iter().filter(is_array).cloned().collect();
    let (model, _) = model::struct_of(attr, item);
    let sizes = shadow::sizes(&model, named);
    let out = with_arrays(out, arrays);
    quote! { #out #sizes }
}

fn is_array(f: &&Field) -> bool {
    matches!(f.ty, syn::Type::Array(_))
}

/// The struct with its arrays as they are written, beside the fields for their elements.
fn with_arrays(out: TokenStream, arrays: Vec<Field>) -> TokenStream {
    let Ok(mut file) = syn::parse2::<syn::File>(out.clone()) else {
        return out;
    };
    for item in &mut file.items {
        if let Item::Struct(ItemStruct {
            fields: Fields::Named(fields),
            ..
        }) = item
        {
            fields.named.extend(arrays.iter().map(|f| Field {
                attrs: vec![],
                ..f.clone()
            }));
        }
    }
    file.into_token_stream()
}

/// The definitions of names for sizes in the attribute's arguments.
fn dims(attr: &TokenStream) -> TokenStream {
    let mut tokens = attr.clone().into_iter();
    while let Some(t) = tokens.next() {
        if matches!(&t, TokenTree::Ident(i) if i == "dims") {
            return tokens.next().into_iter().collect();
        }
    }
    TokenStream::new()
}

/// The tokens in the attributes of a struct and its fields that name sizes.
fn attributes(item: &ItemStruct) -> TokenStream {
    let own = item.attrs.iter();
    let fields = item.fields.iter().flat_map(|f| &f.attrs);
    let sized = ["param", "rope", "layers", "require", "when"];
    let all = own.chain(fields).filter_map(|a| match &a.meta {
        syn::Meta::List(l) if sized.iter().any(|s| a.path().is_ident(s)) => Some(l.tokens.clone()),
        _ => None,
    });
    all.collect()
}

/// A method as written.
fn written<'a>(methods: &'a ItemImpl, m: &Method) -> Option<&'a syn::ImplItemFn> {
    let mut all = methods.items.iter().filter_map(|item| match item {
        syn::ImplItem::Fn(f) => Some(f),
        _ => None,
    });
    all.find(|f| f.sig.ident == m.name)
}

/// The method with arguments that stand nowhere in the source: there, they are those of the body.
fn elsewhere(m: &Method) -> Method {
    let mut args = lower::copied(m);
    for a in &mut args {
        a.name = syn::Ident::new(&a.name.to_string(), Span::call_site());
    }
    Method {
        attrs: m.attrs.clone(),
        vis: m.vis.clone(),
        name: m.name.clone(),
        args,
        ret: m.ret.clone(),
        ret_span: m.ret_span,
        body: m.body.clone(),
        broken: m.broken,
    }
}
