//! Text as constant data for the runtime.
//!
//! Tests: `tests/text.rs`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{argument_names, write, Argument, Target};
use crate::kernel::ir::Program;
use crate::syntax::dims::Dim;

/// A program's text, an expression of the type `Option<Text>`. `names` are the sizes that the call gives.
pub fn emit(program: &Program, target: Target, names: &[String]) -> TokenStream {
    let Some(text) = write(program, target) else {
        return quote! { None };
    };
    let size = |dim: &Dim| {
        let terms = dim.terms().map(|(factors, c)| {
            let at = factors
                .iter()
                .map(|f| names.iter().position(|n| n == f).unwrap_or(0));
            quote! { (#c, &[#(#at),*]) }
        });
        quote! { &[#(#terms),*] }
    };
    let words = argument_names(program, &text);
    let numbers = text.numbers.iter().zip(words).map(|(number, word)| {
        let number = match number {
            Argument::Rows => quote! { __r::Argument::Rows },
            Argument::RowsEach => quote! { __r::Argument::RowsEach },
            Argument::Size(name) => {
                let size = size(&Dim::name(name));
                quote! { __r::Argument::Size(#size) }
            }
            Argument::Number(i) => quote! { __r::Argument::Number(#i) },
        };
        quote! { (#number, #word) }
    });
    let constants = text.constants.iter().map(|(name, word)| {
        let size = size(&Dim::name(name));
        quote! { (#word, #size) }
    });
    let widths = text.widths.iter().map(&size);
    let turns = text.turns.iter().map(|(width, word)| {
        let width = size(width);
        quote! { (#word, #width) }
    });
    let (name, header, body) = (&program.name, &text.header, &text.body);
    let (sums, together) = (text.sums, text.together);
    let (inputs, outputs) = (&text.inputs, &text.outputs);
    quote! {
        Some(__r::Text {
            name: #name,
            header: #header,
            body: #body,
            inputs: &[#(#inputs),*],
            outputs: &[#(#outputs),*],
            constants: &[#(#constants),*],
            numbers: &[#(#numbers),*],
            widths: &[#(#widths),*],
            turns: &[#(#turns),*],
            sums: #sums,
            together: #together,
        })
    }
}
