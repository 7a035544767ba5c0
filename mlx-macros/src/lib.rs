//! `#[mlx_model]`: models for MLX that the compiler checks.
//!
//! The work is done in `mlx-macros-core`; this crate is what rustc needs to find it.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

/// Defines a model. On a struct with named fields it states the parameters, on the inherent `impl`
/// that follows it the computation; see the guide's language reference.
#[proc_macro_attribute]
pub fn mlx_model(attr: TokenStream, item: TokenStream) -> TokenStream {
    mlx_macros_core::attribute(attr.into(), item.into()).into()
}

/// Defines a function of the language that any model's body may call, in this crate or another;
/// see the guide's language reference.
#[proc_macro_attribute]
pub fn mlx_fn(_attr: TokenStream, item: TokenStream) -> TokenStream {
    mlx_macros_core::functions::expand(item.into()).into()
}

/// Receives a struct and its impl together; called by the code that [`macro@mlx_model`] generates.
#[doc(hidden)]
#[proc_macro]
pub fn __mlx_impl(input: TokenStream) -> TokenStream {
    mlx_macros_core::expand(input.into()).into()
}
