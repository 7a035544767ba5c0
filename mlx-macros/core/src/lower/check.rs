//! Writes constants that make rustc compare a call with the callee's signature.
//!
//! Tests: `mlx-tests --test ui`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{define, Lower};
use crate::ir::{Call, Callee};
use crate::syntax::signature::Ty;

impl Lower<'_> {
    /// Constants that make rustc compare this call with the callee's own signature, each placed at
    /// the argument it is about. What depends on a type parameter is compared where that is chosen.
    /// `alone`, if the call itself is not written.
    /// The tokens stand for the user's own: rustc shows no macro around them.
    pub(super) fn check(&self, call: &Call, span: Span, alone: bool) -> TokenStream {
        let (what, args) = (&call.what, &call.args);
        let caller = self.model.item.ident.to_string();
        let types = args.iter().map(|(t, ..)| sig_type(t));
        let all = quote! { &[#(#types),*] };
        let sig = match &call.callee {
            Callee::Model(t) | Callee::Generic(t) => {
                quote! { &<#t as ::mlx_runtime::__private::Definition<_>>::SIG }
            }
            Callee::Method(t, name) => {
                let sig = define::signature_of(name);
                quote_spanned! { name.span() => &<#t>::#sig }
            }
            Callee::Function(path) => quote! { &#path::SIG },
        };
        let (prefix, other) = &call.renamed;
        let sig = match prefix.is_empty() && other.is_empty() {
            true => sig,
            false => {
                let other = other.iter().map(|(name, d)| {
                    let d = d.to_string();
                    quote! { (#name, #d) }
                });
                quote! { &(#sig).renamed(#prefix, &[#(#other),*]) }
            }
        };
        let generic = matches!(call.callee, Callee::Generic(_));
        let constant = |at: Span, check: TokenStream| match generic {
            true => quote_spanned! { at => const { #check } },
            false => quote_spanned! { at => const _: () = #check; },
        };
        // Other calls name the method, so that rustc counts.
        let count = (generic || alone).then(|| {
            let n = args.len();
            let check = quote_spanned! { span => ::mlx_runtime::__private::check_count(#sig, #caller, #what, #n) };
            constant(span, check)
        });
        let each = args.iter().enumerate().map(|(i, (_, at, found))| {
            let at = *at;
            let check = quote_spanned! { at => ::mlx_runtime::__private::check_argument(#sig, #all, #i, #found) };
            constant(at, check)
        });
        let names = call.named.iter().map(|(i, name)| {
            let (at, text) = (name.span(), name.to_string());
            let check =
                quote_spanned! { at => ::mlx_runtime::__private::check_name(#sig, #i, #text) };
            constant(at, check)
        });
        let (ret, place) = (
            sig_type(&call.ret),
            format_ident!("{}", format!("{:?}", call.place)),
        );
        let place = quote! { ::mlx_runtime::__private::Place::#place };
        let check = quote_spanned! { span => ::mlx_runtime::__private::check_result(#sig, #what, #all, &#ret, #place) };
        let result = constant(span, check);
        quote! { #count #(#names)* #(#each)* #result }
    }
}

/// A type as the runtime's `SigType`, with sizes in their normal form.
pub fn sig_type(t: &Ty) -> TokenStream {
    let s = quote! { ::mlx_runtime::__private::SigType };
    match t {
        Ty::Tensor(shape, d) => {
            let dims = shape.iter().map(ToString::to_string);
            let d = d.name();
            quote! { #s::Tensor(&[#(#dims),*], #d) }
        }
        Ty::Tuple(all) => {
            let all = all.iter().map(sig_type);
            quote! { #s::Tuple(&[#(#all),*]) }
        }
        Ty::Number | Ty::Whole => quote! { #s::Number },
        Ty::Cache => quote! { #s::Cache },
        Ty::Unknown => quote! { #s::Unknown },
    }
}
