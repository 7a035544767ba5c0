//! Writes the comparison of a model with its digest, as constants that rustc evaluates.
//!
//! Tests: `mlx-tests --test ui`, `--test weights`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::syntax::digest::{Digest, Part};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;

/// The comparison, one constant a field, so that an error shows the field.
pub fn checks(digest: &Digest, model: &ModelDef) -> TokenStream {
    let p = quote! { ::mlx_runtime::__private };
    let name = &model.item.ident;
    let (file, names) = (digest.literal.value(), &digest.names);
    let config = digest.config.iter().map(|(name, value)| {
        if value.is_nan() {
            quote! { (#name, f64::NAN) }
        } else {
            quote! { (#name, #value) }
        }
    });
    let tensors = digest.tensors.iter().map(|t| {
        let (text, shape, dtype) = (&t.text, &t.shape, &t.dtype);
        let parts = t.parts.iter().map(|part| match part {
            Part::Word(w) => quote! { #p::DigestPart::Word(#w) },
            Part::Index(ranges) => {
                let ranges = ranges.iter().map(|(a, b)| quote! { (#a, #b) });
                quote! { #p::DigestPart::Index(&[#(#ranges),*]) }
            }
        });
        quote! { #p::DigestTensor { text: #text, parts: &[#(#parts),*], shape: &[#(#shape),*], dtype: #dtype } }
    });
    let layout = quote! { &<#name as ::mlx_runtime::__private::Definition<_>>::LAYOUT };
    let holding = model
        .fields
        .iter()
        .filter(|f| !matches!(f.kind, FieldKind::Rope { .. }));
    let fields = holding.enumerate().map(|(i, f)| {
        quote_spanned! { f.name.span() => const _: () = ::mlx_runtime::__private::check_field(&#name::__MLX_DIGEST, #layout, #i); }
    });
    let requires = model.requires.iter().enumerate().map(|(i, e)| {
        let span = syn::spanned::Spanned::span(e);
        quote_spanned! { span => const _: () = ::mlx_runtime::__private::check_require(&#name::__MLX_DIGEST, #layout, #i); }
    });
    // The compiler must know that a change of the file changes the crate.
    let path = digest.path.to_string_lossy();
    quote! {
        #[automatically_derived]
        impl #name {
            #[doc(hidden)]
            const __MLX_DIGEST: #p::Digest = #p::Digest { file: #file, names: #names, config: &[#(#config),*], tensors: &[#(#tensors),*] };
        }
        const _: &str = ::core::include_str!(#path);
        #(#requires)*
        #(#fields)*
    }
}
