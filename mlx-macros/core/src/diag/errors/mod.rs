//! The table of every error that the macros report: kinds, labels, hints and texts.
//!
//! A row is a constructor: `unknown_field(model, name, near) = ".."` gives
//! `Diag::unknown_field(span, model, name, near)`, and nothing else makes a [`Diag`]. A text is in lower case and names
//! what was expected and what was found, in the user's names. rustc underlines the tokens at fault, so a text repeats
//! them only where they are computed. The hint of a kind says what to type.
//!
//! Tests: `tests/errors.rs`; `mlx-tests --test ui`.

#[macro_use]
mod bodies;
#[macro_use]
mod kernels;
#[macro_use]
mod operations;
#[macro_use]
mod structure;

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// A mistake at its place.
#[derive(Clone, Debug)]
#[allow(clippy::manual_non_exhaustive)] // which would let this crate make one
pub struct Diag {
    /// The kind of mistake.
    pub code: Code,
    /// The place of the mistake.
    pub span: Span,
    /// The text, in the user's names.
    pub message: String,
    /// Keeps every other module from making one without the table.
    _from_the_table: (),
}

impl Diag {
    /// The whole text: message, then the hint on its own line.
    pub fn text(&self) -> String {
        match self.code.hint() {
            "" => self.message.clone(),
            hint => format!("{}\nhelp: {hint}", self.message),
        }
    }

    /// The error as rustc shows it, at the mistake's own tokens.
    pub fn to_tokens(&self) -> TokenStream {
        let text = self.text();
        quote_spanned! { self.span => ::core::compile_error!(#text); }
    }
}

impl From<syn::Error> for Diag {
    fn from(e: syn::Error) -> Self {
        Diag::syntax(e.span(), e)
    }
}

/// One line of the table.
pub struct Entry {
    /// The kind of mistake.
    pub code: Code,
    /// The constructor's name.
    pub name: &'static str,
    /// The text, with its parameters in braces.
    pub text: &'static str,
}

macro_rules! errors {
    ([] $(
        $(#[$doc:meta])*
        $code:ident: $label:literal $(, help $hint:literal)? {
            $($name:ident($($p:ident),*) = $text:literal;)*
        }
    )*) => {
        /// The kind of a mistake. Each has a label that names it and a hint that says what to type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];

            /// Its name in the reference.
            pub fn label(self) -> &'static str {
                match self { $(Code::$code => $label,)* }
            }

            /// The hint for the user; empty where the texts say it already.
            pub fn hint(self) -> &'static str {
                match self { $(Code::$code => concat!($($hint)?),)* }
            }
        }

        /// All lines of the table.
        pub const ENTRIES: &[Entry] = &[$($(
            Entry { code: Code::$code, name: stringify!($name), text: $text },
        )*)*];

        impl Diag {
            $($(
                #[doc = $text]
                pub(crate) fn $name(span: Span, $($p: impl Display),*) -> Diag {
                    Diag { code: Code::$code, span, message: format!($text), _from_the_table: () }
                }
            )*)*
        }
    };
}

// Each file adds its rows to those before and passes them on.
structure! { [bodies operations kernels errors] }
