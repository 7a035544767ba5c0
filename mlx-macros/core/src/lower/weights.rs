//! Writes the names and the packing of a field's tensors.
//!
//! Tests: `mlx-tests --test weights`.

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use crate::lower::config::{self, config_expr};
use crate::syntax::logic::Facts;
use crate::syntax::quantize::Quantize;
use crate::syntax::weights::{Pattern, Weights};

/// A field's names as constant data for the runtime, which is `__rt` there. `parameters()` calls the field `own`.
pub fn names(weights: Option<&Weights>, own: &str) -> TokenStream {
    let plain = quote! { &[&const { [__rt::named(#own)] }] };
    let default = weights
        .and_then(|w| w.default.as_ref())
        .map_or(plain, pattern);
    let schemes = weights.iter().flat_map(|w| &w.schemes).map(|(scheme, p)| {
        let (scheme, p) = (scheme.to_string(), pattern(p));
        quote! { (#scheme, #p) }
    });
    quote! { __rt::Names { own: #own, default: #default, schemes: &[#(#schemes),*] } }
}

fn pattern(pattern: &Pattern) -> TokenStream {
    let alternatives = pattern.alternatives.iter().map(|parts| {
        if parts.iter().all(|p| p.is_as_used() && !p.absolute) {
            let names = parts.iter().map(|p| &p.name);
            return quote! { &const { [#(__rt::named(#names)),*] } };
        }
        let parts = parts.iter().map(|p| {
            let (name, absolute, transposed) = (&p.name, p.absolute, p.transposed);
            let (channels_first, (i, n)) = (p.channels_first, p.part);
            let absolute = absolute.then(|| quote! { absolute: true, });
            let transposed = transposed.then(|| quote! { transposed: true, });
            let channels_first = channels_first.then(|| quote! { channels_first: true, });
            let part = (n > 1).then(|| quote! { part: (#i, #n), });
            quote! { __rt::NamePart { name: #name, #absolute #transposed #channels_first #part ..__rt::NamePart::PLAIN } }
        });
        quote! { &[#(#parts),*] }
    });
    quote! { &[#(#alternatives),*] }
}

/// The argument of the loader.
pub fn quantize(quantize: Option<&Quantize>, facts: &Facts) -> TokenStream {
    let q = quote! { __rt::Quantise };
    match quantize {
        None => quote! { #q::AsAsked },
        Some(Quantize::Never) => quote! { #q::Never },
        Some(Quantize::Mode(name)) => {
            let name = Ident::new(name, proc_macro2::Span::call_site());
            quote! { #q::Mode(::mlx_runtime::model::Quantization::#name) }
        }
        Some(Quantize::With { bits, group_size }) => {
            let (bits, group_size) = (whole(bits, facts), whole(group_size, facts));
            quote! { #q::With(#bits, #group_size) }
        }
    }
}

/// A whole number: a literal or a field of the config.
fn whole(e: &Expr, facts: &Facts) -> TokenStream {
    let Expr::Path(p) = e else {
        return e.to_token_stream();
    };
    let (field, at) = (config_expr(e), config::located(e.span()));
    let name = p.path.to_token_stream().to_string();
    config::size_of_field(&field, at, facts.is_there(&name))
}
