//! Constants that make rustc compare a call with the callee's signature.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::Lower;
use crate::ir::{Call, Callee};
use crate::signature::Ty;

impl Lower<'_> {
    /// Constants that make rustc compare this call with the callee's own signature, each placed at
    /// the argument it is about. What depends on a type parameter is compared where that is chosen.
    pub(super) fn check(&self, call: &Call, span: Span) -> TokenStream {
        let (what, args) = (&call.what, &call.args);
        let caller = self.model.item.ident.to_string();
        let all: Vec<TokenStream> = args.iter().map(|(t, _)| sig_type(t)).collect();
        let sig = match &call.callee {
            Callee::Model(t) | Callee::Generic(t) => {
                quote! { &<#t as ::mlx_runtime::model::Model>::SIG }
            }
            Callee::Function(path) => quote! { &#path::SIG },
        };
        let constant = |at: Span, check: TokenStream| match call.callee {
            Callee::Generic(_) => quote_spanned! { at => const { #check } },
            _ => quote_spanned! { at => const _: () = #check; },
        };
        let each = args.iter().enumerate().map(|(i, (_, at))| {
            let at = at.resolved_at(Span::mixed_site());
            let check = quote_spanned! { at => ::mlx_runtime::__private::check_argument(#sig, #caller, #what, &[#(#all),*], #i) };
            constant(at, check)
        });
        let ret = sig_type(&call.ret);
        let at = span.resolved_at(Span::mixed_site());
        let check = quote_spanned! { at => ::mlx_runtime::__private::check_result(#sig, #caller, #what, &[#(#all),*], &#ret) };
        let result = constant(at, check);
        quote! { #(#each)* #result }
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
        Ty::Number => quote! { #s::Number },
        Ty::Cache | Ty::Unknown => quote! { #s::Cache },
    }
}
