//! Names that are not there: attributes, types, type parameters and their bounds.
//!
//! Tests: `tests/one_message`; `mlx-tests --test ui`.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, ItemStruct, Path};

use super::{is_helper, HELPERS};
use crate::diag::{suggest, Diag};
use crate::syntax::function_source;

/// Lifetimes and type parameters that no field has, which are taken away, and type parameters without a bound, which get one.
pub(crate) fn generics(item: &mut ItemStruct, config: Option<&Path>) -> Vec<Diag> {
    let fields = item.fields.to_token_stream().to_string();
    let used = |name: &Ident| words(&fields).any(|w| name == w);
    let wrong = |p: &syn::GenericParam| match p {
        syn::GenericParam::Lifetime(l) => Some(Diag::model_lifetime(l.span())),
        syn::GenericParam::Type(t) if !used(&t.ident) => {
            Some(Diag::type_parameter_unused(t.ident.span(), &t.ident))
        }
        _ => None,
    };
    let mut found: Vec<Diag> = item.generics.params.iter().filter_map(wrong).collect();
    if !found.is_empty() {
        let kept = item.generics.params.iter().filter(|p| wrong(p).is_none());
        item.generics.params = kept.cloned().collect();
    }
    found.extend(bounds(&mut item.generics, config));
    found
}

/// True for the name of a layer of the runtime.
pub(super) fn is_layer(name: &str) -> bool {
    crate::syntax::layers::find(name).is_some()
        || ["Linear", "Embedding", "Param", "Rope"].contains(&name)
}

/// The names in a text.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

/// Gives each type parameter without a bound the one that it needs.
pub(crate) fn bounds(generics: &mut syn::Generics, config: Option<&Path>) -> Vec<Diag> {
    let clause = generics.where_clause.to_token_stream().to_string();
    let config = config.map_or_else(|| "Config".to_string(), |c| c.to_token_stream().to_string());
    let mut found = Vec::new();
    for t in generics.type_params_mut() {
        let bound = t.bounds.to_token_stream().to_string();
        let none = t.bounds.is_empty()
            || (words(&bound).any(|w| w == "Model") && !bound.contains("Config"));
        if none && !words(&clause).any(|w| t.ident == w) {
            found.push(Diag::no_bound(t.ident.span(), &t.ident, &config));
            let config: syn::Type =
                syn::parse_str(&config).unwrap_or_else(|_| syn::parse_quote!(()));
            t.bounds = syn::parse_quote!(::mlx_runtime::model::Model<Config = #config>);
        }
    }
    found
}

/// The mistake of a type that is nowhere else in the file.
pub(super) fn unknown_type(name: &Ident) -> Option<Diag> {
    let text = name.to_string();
    function_source::once(&text, name.span()).then(|| {
        let others = function_source::types(name.span());
        let others = others.iter().map(String::as_str).filter(|o| *o != text);
        Diag::unknown_type_name(name.span(), name, suggest(&text, others))
    })
}

/// Attributes with almost the name of one of the macros', which are taken away.
pub(super) fn misspelt(attrs: &mut Vec<Attribute>) -> Option<Diag> {
    let near = |a: &Attribute| {
        let name = a.path().get_ident()?.to_string();
        let near = suggest(&name, HELPERS.iter().copied());
        (!is_helper(a) && !near.is_empty()).then(|| Diag::unknown_attribute(a.span(), name, near))
    };
    let found = attrs.iter().find_map(near);
    attrs.retain(|a| near(a).is_none());
    found
}
