//! Kernels with arguments that may be absent: `bias: Option<Tensor![D]>`, asked by `if bias.is_some() { .. }`.
//!
//! Each combination of present arguments is a kernel of its own, a variant. The function chooses one at run time; a body
//! that writes `Some(x)` or `None` for an argument has chosen already, and calls the variant by its path.
//!
//! Tests: `mlx-tests --test kernels`, `mlx-tests --test ui`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{FnArg, GenericArgument, Ident, ItemFn, Pat, PathArguments, Type};

use super::arms::{Decide, Names, Quiet};
use super::kernels;
use crate::diag::Diag;

/// The most arguments of a kernel that may be absent: each doubles the number of variants.
const MOST: usize = 4;

/// The names of the arguments that may be absent, in order.
fn optional(f: &ItemFn) -> Vec<Ident> {
    let names = f.sig.inputs.iter().filter_map(|a| match a {
        FnArg::Typed(a) => match (&*a.pat, inner(&a.ty)) {
            (Pat::Ident(p), Some(_)) => Some(p.ident.clone()),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    names.collect()
}

/// The type inside of an `Option`.
fn inner(ty: &Type) -> Option<&Type> {
    let Type::Path(p) = ty else { return None };
    let last = p.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(args) if last.ident == "Option" && args.args.len() == 1 => {
            match args.args.first()? {
                GenericArgument::Type(t) => Some(t),
                _ => None,
            }
        }
        _ => None,
    }
}

/// One combination of present arguments.
pub struct Variant {
    /// The name of the combination: `some` or `none` for each argument that may be absent.
    pub tag: String,
    /// The kernel.
    pub function: ItemFn,
    /// For each argument that may be absent, true if it is there.
    present: Vec<bool>,
}

/// The variants of a kernel; none if no argument may be absent.
///
/// # Errors
/// Every mistake in how a kernel asks for its arguments.
pub fn variants(f: &ItemFn) -> std::result::Result<Vec<Variant>, Vec<Diag>> {
    let names = optional(f);
    if names.is_empty() {
        return Ok(vec![]);
    }
    if names.len() > MOST {
        let at = names[MOST].span();
        return Err(vec![Diag::kernel_options(at, MOST, names.len())]);
    }
    for a in &f.sig.inputs {
        if let FnArg::Typed(a) = a {
            match inner(&a.ty) {
                Some(Type::Macro(_)) | None => {}
                Some(other) => return Err(vec![Diag::kernel_option_type(other.span())]),
            }
        }
    }
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for bits in (0..1usize << names.len()).rev() {
        let present: Vec<bool> = (0..names.len())
            .map(|i| bits >> (names.len() - 1 - i) & 1 == 1)
            .collect();
        match variant(f, &names, present) {
            Ok(v) => all.push(v),
            Err(found) => errors.extend(found),
        }
    }
    match errors.is_empty() {
        true => Ok(all),
        false => {
            let mut says = once();
            Err(errors.into_iter().filter(|e| says(e)).collect())
        }
    }
}

/// Lets each mistake through once: most are in several variants.
pub(super) fn once() -> impl FnMut(&Diag) -> bool {
    let mut seen = BTreeSet::new();
    move |d| {
        let start = d.span.start();
        seen.insert((start.line, start.column, d.message.clone()))
    }
}

fn variant(
    f: &ItemFn,
    names: &[Ident],
    present: Vec<bool>,
) -> std::result::Result<Variant, Vec<Diag>> {
    let words: Vec<&str> = present
        .iter()
        .map(|p| if *p { "some" } else { "none" })
        .collect();
    let tag = words.join("_");
    let known: BTreeMap<String, bool> = names
        .iter()
        .map(ToString::to_string)
        .zip(present.iter().copied())
        .collect();
    let mut function = f.clone();
    function.sig.ident = Ident::new(&format!("{}_{tag}", f.sig.ident), f.sig.ident.span());
    let kept = std::mem::take(&mut function.sig.inputs)
        .into_iter()
        .filter_map(|a| match a {
            FnArg::Typed(mut a) => match (&*a.pat, inner(&a.ty).cloned()) {
                (Pat::Ident(p), Some(ty)) => known[&p.ident.to_string()].then(|| {
                    *a.ty = ty;
                    FnArg::Typed(a)
                }),
                _ => Some(FnArg::Typed(a)),
            },
            other => Some(other),
        });
    function.sig.inputs = kept.collect();
    Decide { known: &known }.visit_block_mut(&mut function.block);
    let read = Names::of(&function.block);
    let bound_again = |n: &str| read.bound.contains(n);
    let absent = names
        .iter()
        .zip(&present)
        .filter(|(n, there)| !**there && !bound_again(&n.to_string()));
    let mut errors = Vec::new();
    for (name, _) in absent {
        let places = read.places.iter().filter(|p| **p == *name);
        errors.extend(places.map(|p| Diag::kernel_option_absent(p.span(), name)));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut quiet = Quiet {
        before: Names::of(&f.block),
        now: read,
    };
    for a in &mut function.sig.inputs {
        if let FnArg::Typed(a) = a {
            if let Pat::Ident(p) = &mut *a.pat {
                quiet.quiet(&mut p.ident);
            }
        }
    }
    quiet.visit_block_mut(&mut function.block);
    Ok(Variant {
        tag,
        function,
        present,
    })
}

/// The function that chooses a variant, and its variants. `None` if no argument may be absent.
pub(super) fn expand(attr: &TokenStream, f: &ItemFn) -> Option<TokenStream> {
    let mut found = match variants(f) {
        Ok(all) if all.is_empty() => return None,
        Ok(all) => all,
        Err(errors) => return Some(refused(f, &errors)),
    };
    if !attr.is_empty() {
        return Some(refused(
            f,
            &[Diag::kernel_options_by_hand(f.sig.ident.span())],
        ));
    }
    let docs = format!("A variant of [`{}`].", f.sig.ident);
    let mut says = once();
    let written: Vec<TokenStream> = found
        .iter_mut()
        .map(|v| {
            v.function.vis = syn::parse_quote!(pub);
            v.function.attrs = vec![
                syn::parse_quote!(#[doc = #docs]),
                syn::parse_quote!(#[doc(hidden)]),
                syn::parse_quote!(#[allow(unreachable_pub)]),
            ];
            kernels::expand_one(attr.clone(), v.function.clone(), &mut says)
        })
        .collect();
    let names = optional(f);
    let arms = found.iter().map(|v| {
        let given = names.iter().zip(&v.present).map(|(n, there)| match there {
            true => quote! { ::core::option::Option::Some(#n) },
            false => quote! { ::core::option::Option::None },
        });
        let args = arguments(f).filter(|n| {
            names
                .iter()
                .zip(&v.present)
                .all(|(o, there)| *there || *n != o)
        });
        let callee = &v.function.sig.ident;
        quote! { (#(#given,)*) => #callee(#(#args),*) }
    });
    let (head, name, vis) = (head(f), &f.sig.ident, &f.vis);
    let uses = found.iter().map(|v| {
        let (from, tag) = (&v.function.sig.ident, format_ident!("{}", v.tag));
        quote! { pub use super::#from as #tag; }
    });
    let all = &found[0].function.sig.ident;
    Some(quote! {
        #head {
            match (#(#names,)*) { #(#arms),* }
        }
        #[doc(hidden)]
        #[allow(missing_docs)]
        #vis mod #name {
            #(#uses)*
            pub use super::#all::{Explained, SIG};
        }
        #(#written)*
    })
}

/// The names of the arguments.
fn arguments(f: &ItemFn) -> impl Iterator<Item = &Ident> {
    f.sig.inputs.iter().filter_map(|a| match a {
        FnArg::Typed(a) => match &*a.pat {
            Pat::Ident(p) => Some(&p.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

/// The function's attributes and signature, as Rust sees it.
fn head(f: &ItemFn) -> TokenStream {
    let array = quote! { ::mlx_runtime::Array };
    let args = f.sig.inputs.iter().filter_map(|a| match a {
        FnArg::Typed(a) => {
            let name = &a.pat;
            Some(match &*a.ty {
                Type::Macro(_) => quote! { #name: &#array },
                ty if inner(ty).is_some() => quote! { #name: ::core::option::Option<&#array> },
                _ => quote! { #name: f32 },
            })
        }
        FnArg::Receiver(_) => None,
    });
    let ret = match &f.sig.output {
        syn::ReturnType::Type(_, t) => match &**t {
            Type::Tuple(t) => {
                let all = t.elems.iter().map(|_| &array);
                quote! { (#(#all,)*) }
            }
            _ => array.clone(),
        },
        syn::ReturnType::Default => quote! { () },
    };
    let (attrs, vis, name) = (&f.attrs, &f.vis, &f.sig.ident);
    quote! {
        #(#attrs)*
        #[allow(unused_variables, clippy::all)]
        #vis fn #name(#(#args),*) -> ::mlx_runtime::Result<#ret>
    }
}

/// Mistakes, and a function that keeps callers from having more.
fn refused(f: &ItemFn, errors: &[Diag]) -> TokenStream {
    let errors = errors.iter().map(Diag::to_tokens);
    let head = head(f);
    quote! { #(#errors)* #head { ::mlx_runtime::__private::never() } }
}
