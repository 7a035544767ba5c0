//! Writes `impl Definition` and `impl Model`: loading with every check, and visiting the layers.
//!
//! Tests: `mlx-tests --test models`, `--test weights`.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, ToTokens};
use syn::ext::IdentExt;

use crate::lower::{
    config, config_expr, config_size, dim, elements, join_key, layers, layout, sig_type, weights,
};
use crate::syntax::condition;
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::kind::FieldKind;
use crate::syntax::logic::Facts;
use crate::syntax::model::{Field, Inner, ModelDef, Value};
use crate::syntax::signature::{Method, Ty};

/// `impl Definition for ..`, with the items `hidden` besides, and `impl Model for ..`.
pub fn model_impl(
    model: &ModelDef,
    methods: &[Method],
    joins: &[Vec<Ident>],
    hidden: &TokenStream,
) -> TokenStream {
    let (name, config) = (&model.item.ident, &model.config);
    let (impl_generics, ty_generics, where_clause) = model.item.generics.split_for_impl();
    let sig = signature(model, methods);
    let build = build(model, methods, joins);
    let call = call(model, methods);
    let layout = layout::items(model);
    let visits = model.fields.iter().map(|f| visit(f, false));
    let visits_mut = model.fields.iter().map(|f| visit(f, true));
    let text = name.unraw().to_string();
    let debug = debug(
        model,
        quote! { ::mlx_runtime::__private::describe(__f, #text, self.__mlx.dtype(), self) },
    );
    quote! {
        #debug
        #[automatically_derived]
        #[allow(unused_variables, unused_mut, unused_imports, clippy::all)]
        impl #impl_generics ::mlx_runtime::__private::Definition<#config> for #name #ty_generics #where_clause {
            const SIG: ::mlx_runtime::__private::Sig = #sig;
            #layout
            #hidden
            #call
            fn build(__config: &::std::sync::Arc<#config>, __path: &str, __loader: &mut ::mlx_runtime::model::Loader) -> Self {
                use ::mlx_runtime::__private as __rt;
                #build
            }
        }
        #[automatically_derived]
        #[allow(unused_variables, unused_mut, unused_imports, clippy::all)]
        impl #impl_generics ::mlx_runtime::model::Model for #name #ty_generics #where_clause {
            type Config = #config;
            fn visit<'__a>(&'__a self, __path: &str, __f: &mut dyn FnMut(&str, ::mlx_runtime::model::Leaf<'__a>)) {
                use ::mlx_runtime::{__private as __rt, model::Leaf as __Leaf};
                #(#visits)*
            }
            fn visit_mut(&mut self, __path: &str, __f: &mut dyn FnMut(&str, ::mlx_runtime::model::LeafMut<'_>)) {
                use ::mlx_runtime::{__private as __rt, model::LeafMut as __Leaf};
                #(#visits_mut)*
            }
        }
    }
}

/// In place of both where the struct has mistakes: it keeps other models, and the
/// editor, from having more. It is never run, since such a crate does not compile.
pub fn stand_in(model: &ModelDef, methods: &[Method]) -> TokenStream {
    let (name, config) = (&model.item.ident, &model.config);
    let (impl_generics, ty_generics, where_clause) = model.item.generics.split_for_impl();
    let sig = signature(model, methods);
    let debug = debug(model, quote! { ::core::unreachable!() });
    let mut any = model.item.generics.clone();
    let of = match model.config_unknown {
        true => {
            any.params.push(syn::parse_quote!(__C));
            quote! { __C }
        }
        false => quote! { #config },
    };
    let (any, ..) = any.split_for_impl();
    quote! {
        #debug
        #[allow(unused_variables, clippy::all)]
        impl #any ::mlx_runtime::__private::Definition<#of> for #name #ty_generics #where_clause {
            const SIG: ::mlx_runtime::__private::Sig = #sig;
            fn build(__config: &::std::sync::Arc<#of>, __path: &str, __loader: &mut ::mlx_runtime::model::Loader) -> Self { ::core::unreachable!() }
        }
        #[allow(unused_variables, clippy::all)]
        impl #impl_generics ::mlx_runtime::model::Model for #name #ty_generics #where_clause {
            type Config = #config;
            fn visit<'__a>(&'__a self, __path: &str, __f: &mut dyn FnMut(&str, ::mlx_runtime::model::Leaf<'__a>)) {}
            fn visit_mut(&mut self, __path: &str, __f: &mut dyn FnMut(&str, ::mlx_runtime::model::LeafMut<'_>)) {}
        }
    }
}

/// Reads every size of the config that the user wrote, where the bodies that would are not there.
pub fn sizes(model: &ModelDef) -> TokenStream {
    let (names, config) = (&model.names, &model.config);
    let places = names.places.borrow();
    let sizes = places
        .keys()
        .filter(|n| !is_free(n) && !names.short.contains_key(*n) && !n.contains("::"));
    let fields = sizes.map(|n| names.config_field(n).0);
    quote! { let _ = |__c: &#config| { #(let _ = &__c.#fields;)* }; }
}

/// `impl Debug for ..` where the struct derives it: the tensors of a model, which no field shows at once.
fn debug(model: &ModelDef, body: TokenStream) -> TokenStream {
    if !derives(&model.item, "Debug") {
        return TokenStream::new();
    }
    let name = &model.item.ident;
    let (impl_generics, ty_generics, where_clause) = model.item.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(unused_variables, clippy::all)]
        impl #impl_generics ::core::fmt::Debug for #name #ty_generics #where_clause {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { #body }
        }
    }
}

/// The struct without its derived `Debug`, which would show the macros' own field.
pub fn without_debug(mut item: syn::ItemStruct) -> syn::ItemStruct {
    type Traits = syn::punctuated::Punctuated<syn::Path, syn::Token![,]>;
    let is_debug = |p: &syn::Path| p.segments.last().is_some_and(|s| s.ident == "Debug");
    item.attrs.retain_mut(|attribute| {
        // rustc reports everything but a list of traits.
        let traits = match attribute.path().is_ident("derive") {
            true => attribute.parse_args_with(Traits::parse_terminated),
            false => return true,
        };
        let Ok(traits) = traits else { return true };
        let rest: Vec<&syn::Path> = traits.iter().filter(|t| !is_debug(t)).collect();
        *attribute = syn::parse_quote! { #[derive(#(#rest),*)] };
        // rustc warns of an empty list.
        !rest.is_empty()
    });
    item
}

/// The struct itself, with the field that the macros need.
pub fn item(model: &ModelDef) -> TokenStream {
    let mut item = without_debug(model.item.clone());
    let config = &model.config;
    if let syn::Fields::Named(fields) = &mut item.fields {
        // A private field: a model is made by loading, which is where it is checked.
        let meta: syn::Field =
            syn::parse_quote! { #[doc(hidden)] __mlx: ::mlx_runtime::__private::Meta<#config> };
        fields.named.push(meta);
    }
    match derives(&item, "Clone") {
        true => quote! { #item },
        false => quote! { #[derive(Clone)] #item },
    }
}

/// True if the struct derives a trait itself.
fn derives(item: &syn::ItemStruct, name: &str) -> bool {
    let mut found = false;
    let derives = item.attrs.iter().filter(|a| a.path().is_ident("derive"));
    for attribute in derives {
        // rustc reports everything but a list of traits.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|s| s.ident == name);
            Ok(())
        });
    }
    found
}

/// The signature of `forward`, which callers are compared with.
fn signature(model: &ModelDef, methods: &[Method]) -> TokenStream {
    let s = quote! { ::mlx_runtime::__private::Sig };
    let what = format!("{}::forward", model.item.ident);
    match methods.iter().find(|m| m.name == "forward") {
        None => {
            quote! { #s { callee: #what, args: &[], ret: ::mlx_runtime::__private::SigType::Cache, prefix: "", other: &[] } }
        }
        Some(m) => sig_of(model, &what, m),
    }
}

/// The signature of a method. Nothing is compared with that of a model with a mistake in its sizes.
fn sig_of(model: &ModelDef, what: &str, m: &Method) -> TokenStream {
    let tokens = sig(what, m);
    match model.broken {
        true => {
            let unknown = m
                .args
                .iter()
                .map(|_| quote! { ("", ::mlx_runtime::__private::SigType::Unknown) });
            quote! { ::mlx_runtime::__private::Sig { callee: #what, args: &[#(#unknown),*], ret: ::mlx_runtime::__private::SigType::Unknown, prefix: "", other: &[] } }
        }
        false => tokens,
    }
}

/// The name of the constant that holds a method's signature.
pub fn signature_of(method: &Ident) -> Ident {
    quote::format_ident!("__SIG_{}", method, span = proc_macro2::Span::mixed_site())
}

/// The signatures of methods, with which calls from other models are compared.
pub fn signatures(model: &ModelDef, methods: &[Method]) -> TokenStream {
    let each = methods.iter().filter(|m| m.name != "forward").map(|m| {
        let name = signature_of(&m.name);
        let sig = sig_of(model, &format!("{}::{}", model.item.ident, m.name), m);
        quote! {
            #[doc(hidden)]
            #[allow(non_upper_case_globals)]
            pub const #name: ::mlx_runtime::__private::Sig = #sig;
        }
    });
    quote! { #(#each)* }
}

/// The signature of a method or function as a constant.
pub fn sig(callee: &str, m: &Method) -> TokenStream {
    let args = m.args.iter().map(|a| {
        let (n, t) = (a.name.to_string(), sig_type(&a.ty));
        quote! { (#n, #t) }
    });
    let ret = sig_type(&m.ret);
    quote! { ::mlx_runtime::__private::Sig { callee: #callee, args: &[#(#args),*], ret: #ret, prefix: "", other: &[] } }
}

/// `forward` with its arrays in a list, for models that take this one as a type parameter.
fn call(model: &ModelDef, methods: &[Method]) -> TokenStream {
    let Some(m) = methods.iter().find(|m| m.name == "forward") else {
        return quote! {};
    };
    if m.args.iter().any(|a| a.ty.is_number()) {
        return quote! {};
    }
    let what = format!("{}::forward", model.item.ident);
    let names: Vec<&Ident> = m
        .args
        .iter()
        .filter(|a| a.ty != Ty::Cache)
        .map(|a| &a.name)
        .collect();
    let all = m.args.iter().map(|a| match a.ty {
        Ty::Cache => quote! { __cache },
        _ => a.name.to_token_stream(),
    });
    let values = match &m.ret {
        Ty::Tuple(parts) => {
            let parts = (0..parts.len()).map(|i| {
                let i = syn::Index::from(i);
                quote! { __y.#i }
            });
            quote! { #(#parts),* }
        }
        _ => quote! { __y },
    };
    let count = names.len();
    quote! {
        fn call(&self, __x: &[&::mlx_runtime::Array], __cache: &mut ::mlx_runtime::nn::KvCache) -> ::mlx_runtime::Result<::std::vec::Vec<::mlx_runtime::Array>> {
            let [#(#names),*] = *::mlx_runtime::__private::arguments::<#count>(#what, __x)?;
            let __y = self.forward(#(#all),*)?;
            ::core::result::Result::Ok(::std::vec![#values])
        }
    }
}

/// The path of a field's tensors for the loader, as the variable `__at`.
fn load_path(model: &ModelDef, f: &Field) -> TokenStream {
    let plain = f.weights.as_ref().is_none_or(|w| w.is_plain());
    if plain && f.quantize.is_none() {
        let path = path(f);
        return quote! { let __at = #path; };
    }
    let (config, i) = (&model.config, layout::place(model, f));
    let quantize = weights::quantize(f.quantize.as_ref(), &model.facts_of(f));
    quote! { let __at = &__loader.field(__path, &<Self as __rt::Definition<#config>>::LAYOUT.fields[#i].names, #quantize); }
}

/// The path of a field's tensors.
fn path(f: &Field) -> TokenStream {
    let name = f.weight_name();
    quote! { &__rt::join(__path, #name) }
}

fn build(model: &ModelDef, methods: &[Method], joins: &[Vec<Ident>]) -> TokenStream {
    let what = model.item.ident.to_string();
    let requires = model.requires.iter().map(|e| {
        let cond = condition::guarded(e, &model.names.facts);
        let (text, cond) = (
            config::pretty(e),
            config::tokens(&cond, &quote! { __loader.layer() }),
        );
        let values = condition::fields(e).into_iter().map(|n| {
            let text = n.to_string();
            quote! { (#text, __rt::show(&__c.#n)) }
        });
        quote! { __loader.require(#what, #text, #cond, &[#(#values),*]); }
    });
    let elements = elements::requirements(model, methods);
    let fields = model.fields.iter().map(|f| {
        let (name, path) = (&f.name, quote! { __at });
        let facts = model.facts_of(f);
        let at = load_path(model, f);
        let ty = &f.ty;
        let value = load(model, f, &f.kind, &path);
        let value = match &f.config {
            None => value,
            Some(inner) => {
                let config = inner_config(model, inner, &facts);
                quote! { { let __config = &#config; #value } }
            }
        };
        match &f.when {
            None => quote! { #at let mut #name: #ty = #value; },
            Some(when) => {
                let when = condition::guarded(when, &model.names.facts);
                let when = config::tokens(&when, &quote! { __loader.layer() });
                quote! { let mut #name: ::core::option::Option<#ty> = if #when { #at (|| ::core::option::Option::Some(#value))() } else { ::core::option::Option::None }; }
            }
        }
    });
    let joined = joins.iter().map(|fields| {
        let key = join_key(fields);
        // Local variables are hygienic: they must be the struct's own tokens, not the impl's.
        // Their order is the group's, in which the product is split again.
        let fields = fields
            .iter()
            .filter_map(|n| model.fields.iter().map(|f| &f.name).find(|m| *m == n));
        quote! { __mlx.join(#key, __loader, &mut [#(&mut #fields),*]); }
    });
    let names = model.fields.iter().map(|f| {
        let name = &f.name;
        match (f.boxed, &f.when) {
            (false, _) => quote! { #name },
            (true, None) => quote! { #name: ::std::boxed::Box::new(#name) },
            (true, Some(_)) => quote! { #name: #name.map(::std::boxed::Box::new) },
        }
    });
    quote! {
        let __c = &**__config;
        #(#requires)*
        #elements
        #(#fields)*
        let mut __mlx = __rt::Meta::new(__config, __loader);
        #(#joined)*
        Self { #(#names,)* __mlx }
    }
}

/// The code that makes a layer from the tensors at `path`.
fn load(model: &ModelDef, f: &Field, kind: &FieldKind, path: &TokenStream) -> TokenStream {
    let (ty, frozen, lora) = (&f.ty, f.frozen, f.lora);
    let facts = model.facts_of(f);
    let size = |d: &Dim| {
        let e = dim(d, |n| config_size(&model.names, n, &facts));
        let text = model.names.dim(d);
        quote! { __rt::LoadDim::new(#text, #e) }
    };
    let number = |e: &syn::Expr| {
        config::number(&condition::guarded(e, &facts), &quote! { __loader.layer() })
    };
    match kind {
        FieldKind::Linear { out, input, bias } => {
            let (out, input) = (size(out), size(input));
            let bias = bias.as_ref().map_or_else(|| quote! { false }, config_expr);
            let tied = match &f.tied {
                None => quote! { false },
                Some(t) => t.when.as_ref().map_or_else(|| quote! { true }, config_expr),
            };
            quote! { __loader.linear(#path, #out, #input, #bias, #tied, #lora, #frozen) }
        }
        FieldKind::Embedding { rows, dim } => {
            let (rows, dim) = (size(rows), size(dim));
            quote! { __loader.embedding(#path, #rows, #dim, #frozen) }
        }
        FieldKind::Layer(held) => layers::load(held, &size, &number, path, lora, frozen),
        FieldKind::Rope {
            dims,
            rotated,
            base,
            traditional,
            scaling,
        } => {
            let rotated = size(rotated);
            let (dims, base, traditional) = (size(dims), number(base), config_expr(traditional));
            let scaling = scaling.as_ref().map_or_else(
                || quote! { ::core::option::Option::None },
                |s| {
                    let s = config_expr(s);
                    quote! { #s.as_ref() }
                },
            );
            quote! { __loader.rope(#path, #dims, #rotated, (#base) as f32, #traditional, #scaling) }
        }
        FieldKind::Param { shape, dtype } => {
            let shape = shape.iter().map(size);
            let dtype = dtype.name();
            quote! { __loader.param(#path, &[#(#shape),*], #dtype, #frozen) }
        }
        FieldKind::Layers {
            count,
            leaf: Some(leaf),
            ..
        } => {
            let (count, layer) = (size(count), load(model, f, leaf, path));
            quote! { __loader.layers(#path, #count, |__at: &str, __loader: &mut ::mlx_runtime::model::Loader| #layer) }
        }
        FieldKind::Layers { count, model, .. } => {
            let count = size(count);
            quote! { __loader.layers(#path, #count, |__p, __l| <#model as __rt::Definition<_>>::build(__config, __p, __l)) }
        }
        FieldKind::Model => {
            quote! { <#ty as __rt::Definition<_>>::build(__config, #path, __loader) }
        }
    }
}

/// The config of a sub-model that has another.
fn inner_config(model: &ModelDef, inner: &Inner, facts: &Facts) -> TokenStream {
    let arc = quote! { ::std::sync::Arc::new };
    match inner {
        Inner::Field(e) => {
            let place = config_expr(e);
            match facts.is_there(&condition::text(e)) {
                false => quote! { #arc(::core::clone::Clone::clone(&#place)) },
                // The closure around ends where it is absent.
                true => quote! { #arc(::core::clone::Clone::clone(#place.as_ref()?)) },
            }
        }
        Inner::With(all) => {
            let set = all.iter().map(|(name, value)| match value {
                Value::Size(d) => {
                    let size = dim(d, |n| config_size(&model.names, n, facts));
                    quote! { __k.#name = ::core::convert::TryFrom::try_from(#size).unwrap_or_default(); }
                }
                Value::Literal(e) => match &**e {
                    syn::Expr::Lit(l) if matches!(l.lit, syn::Lit::Str(_)) => {
                        quote! { __k.#name = ::core::convert::Into::into(#e); }
                    }
                    e => quote! { __k.#name = #e; },
                },
            });
            quote! { {
                let mut __k = ::core::clone::Clone::clone(__c);
                #(#set)*
                #arc(__k)
            } }
        }
    }
}

fn visit(f: &Field, mutable: bool) -> TokenStream {
    let (name, path) = (&f.name, path(f));
    let (call, leaf, amp) = if mutable {
        (quote!(visit_mut), quote!(__Leaf), quote!(&mut))
    } else {
        (quote!(visit), quote!(__Leaf), quote!(&))
    };
    let (kind, stacked) = match &f.kind {
        FieldKind::Layers {
            leaf: Some(leaf), ..
        } => (&**leaf, true),
        kind => (kind, false),
    };
    let variant = match kind {
        FieldKind::Linear { .. } => quote!(Linear),
        FieldKind::Embedding { .. } => quote!(Embedding),
        FieldKind::Layer(held) => layers::variant(held),
        FieldKind::Param { .. } => quote!(Param),
        FieldKind::Rope { .. } => return quote! {},
        FieldKind::Model | FieldKind::Layers { .. } => quote! {},
    };
    let inner = match kind {
        _ if stacked => quote! {
            for (__i, __layer) in __field.into_iter().enumerate() {
                __f(&__rt::index(#path, __i), #leaf::#variant(__layer));
            }
        },
        FieldKind::Model => quote! { ::mlx_runtime::model::Model::#call(__field, #path, __f); },
        FieldKind::Layers { .. } => quote! {
            for (__i, __layer) in __field.into_iter().enumerate() {
                ::mlx_runtime::model::Model::#call(__layer, &__rt::index(#path, __i), __f);
            }
        },
        _ => quote! { __f(#path, #leaf::#variant(__field)); },
    };
    let unboxed = f.boxed.then(|| quote! { let __field = #amp **__field; });
    match f.when {
        None => quote! { { let __field = #amp self.#name; #unboxed #inner } },
        Some(_) => {
            quote! { if let ::core::option::Option::Some(__field) = #amp self.#name { #unboxed #inner } }
        }
    }
}
