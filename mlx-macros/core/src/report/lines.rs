//! A report as text: one value a line, a list as its length and its values. The runtime reads it where it is asked for.
//!
//! Tests: `mlx-tests --test explain`.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::{Ident, Path};

/// The lines, and the items of Rust that they count.
#[derive(Default)]
pub(super) struct Lines {
    text: String,
    kernels: Vec<Ident>,
    functions: Vec<Path>,
}

impl Lines {
    pub fn line(&mut self, value: impl Display) {
        let value = value.to_string();
        let one = |c| if c == '\n' || c == '\r' { ' ' } else { c };
        self.text.extend(value.chars().map(one));
        self.text.push('\n');
    }

    pub fn lines<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        values.into_iter().for_each(|v| self.line(v));
    }

    pub fn list<T>(
        &mut self,
        all: impl Iterator<Item = T> + Clone,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.line(all.clone().count());
        all.for_each(|v| each(self, v));
    }

    /// A list of one or none.
    pub fn optional<T>(&mut self, value: Option<T>, mut each: impl FnMut(&mut Self, T)) {
        self.line(usize::from(value.is_some()));
        value.into_iter().for_each(|v| each(self, v));
    }

    /// Lines that name no item.
    pub fn append(&mut self, other: &Lines) {
        self.text += &other.text;
    }

    /// The place of a kernel among the kernels.
    pub fn kernel(&mut self, held: &Ident) {
        self.line(self.kernels.len());
        self.kernels.push(held.clone());
    }

    /// The place of a function among the functions.
    pub fn function(&mut self, path: &Path) {
        self.line(self.functions.len());
        self.functions.push(path.clone());
    }
}

impl ToTokens for Lines {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Lines {
            text,
            kernels,
            functions,
        } = self;
        tokens.extend(quote! {
            __e::Lines {
                text: #text, file: ::core::file!(), kernels: &[#(#kernels),*],
                functions: &[#(&#functions::Explained::METHOD),*],
            }
        });
    }
}
