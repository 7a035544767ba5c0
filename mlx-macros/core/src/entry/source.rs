//! Finds the models and helper functions of a source file, for tests and tools that expand without rustc.
//!
//! Tests: `tests/right.rs`.

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::{File, Ident, Item, ItemFn, ItemImpl, ItemStruct, Meta, Type};

use super::{functions, kernels, model};
use crate::diag::lints::Warning;
use crate::diag::Diag;

/// One expansion.
pub enum Source {
    /// A struct with `#[mlx_model]` and its impl.
    Model {
        /// The attribute's arguments.
        attr: TokenStream,
        /// The struct, without the attribute.
        item: ItemStruct,
        /// The impl, without attributes.
        methods: ItemImpl,
    },
    /// A function with `#[mlx_fn]`, without that attribute.
    Function(ItemFn),
    /// A function with `#[mlx_kernel]`, without that attribute.
    Kernel {
        /// The attribute's arguments.
        attr: TokenStream,
        /// The function.
        item: ItemFn,
    },
}

impl Source {
    /// The input of [`crate::expand`] or [`crate::entry::functions::expand`]; of a kernel, the function.
    pub fn tokens(&self) -> TokenStream {
        match self {
            Source::Model {
                attr,
                item,
                methods,
            } => quote! { { #attr } { #item } #methods },
            Source::Function(f) | Source::Kernel { item: f, .. } => f.to_token_stream(),
        }
    }

    /// The lints that it does not allow. A model whose only mistakes are fields that nothing reads has them, too.
    pub fn warnings(&self) -> Vec<Warning> {
        match self {
            Source::Model {
                attr,
                item,
                methods,
            } => model::warnings(attr.clone(), item.clone(), methods),
            Source::Function(_) | Source::Kernel { .. } => vec![],
        }
    }

    /// Every mistake in it that rustc is not needed for.
    pub fn mistakes(&self) -> Vec<Diag> {
        match self {
            Source::Model {
                attr,
                item,
                methods,
            } => model::analyse(attr.clone(), item.clone(), methods)
                .err()
                .map_or(vec![], |(found, _)| found),
            Source::Function(f) => functions::mistakes(f),
            Source::Kernel { attr, item } => kernels::mistakes(attr.clone(), item.clone()),
        }
    }
}

/// The models, each with its impl, and the functions of a file.
pub fn sources(file: &File) -> Vec<Source> {
    file.items.iter().filter_map(|i| source(i, file)).collect()
}

fn source(item: &Item, file: &File) -> Option<Source> {
    match item {
        Item::Struct(s) => {
            let mut item = s.clone();
            let at = s
                .attrs
                .iter()
                .position(|a| a.path().is_ident("mlx_model"))?;
            let attr = match item.attrs.remove(at).meta {
                Meta::List(list) => list.tokens,
                _ => TokenStream::new(),
            };
            let mut methods = file.items.iter().find_map(|i| match i {
                Item::Impl(i) if i.trait_.is_none() && names(&i.self_ty, &s.ident) => {
                    Some(i.clone())
                }
                _ => None,
            })?;
            methods.attrs.clear();
            Some(Source::Model {
                attr,
                item,
                methods,
            })
        }
        Item::Fn(f) => {
            let mut item = f.clone();
            let named = |name: &str| f.attrs.iter().position(|a| a.path().is_ident(name));
            if let Some(at) = named("mlx_fn") {
                item.attrs.remove(at);
                return Some(Source::Function(item));
            }
            let attr = match item.attrs.remove(named("mlx_kernel")?).meta {
                Meta::List(list) => list.tokens,
                _ => TokenStream::new(),
            };
            Some(Source::Kernel { attr, item })
        }
        _ => None,
    }
}

fn names(ty: &Type, name: &Ident) -> bool {
    matches!(ty, Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == *name))
}
