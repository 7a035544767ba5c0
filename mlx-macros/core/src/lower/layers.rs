//! Writes the layers of the table.
//!
//! Tests: `mlx-tests --test models`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, ToTokens};
use syn::{Expr, Ident};

use crate::lower::config_expr;
use crate::syntax::dims::Dim;
use crate::syntax::layers::{Held, Setting};

/// The call of the loader that makes the layer.
pub fn load(
    held: &Held,
    size: &dyn Fn(&Dim) -> TokenStream,
    number: &dyn Fn(&Expr) -> TokenStream,
    path: &TokenStream,
    lora: bool,
    frozen: bool,
) -> TokenStream {
    let load = Ident::new(held.layer.load, Span::call_site());
    let dims = held.dims.iter().map(size);
    let options = held.options.iter().map(|o| match o {
        Setting::Number(e) => {
            let e = number(e);
            quote! { (#e) as f32 }
        }
        Setting::Flag(e) => config_expr(e),
        Setting::Sizes(s) => match &s[..] {
            [one] => size(one),
            all => {
                let all = all.iter().map(size);
                quote! { [#(#all),*] }
            }
        },
    });
    let lora = held.layer.indexed.then(|| quote! { #lora, });
    quote! { __loader.#load(#path, #(#dims,)* #(#options,)* #lora #frozen) }
}

/// The type's name as generated code has it.
pub fn variant(held: &Held) -> TokenStream {
    Ident::new(held.layer.name, Span::call_site()).to_token_stream()
}
