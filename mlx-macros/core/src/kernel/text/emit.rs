//! Text as constant data for the runtime.
//!
//! Tests: `tests/text.rs`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{write, Argument, Target, Text};
use crate::kernel::ir::Program;
use crate::syntax::dims::Dim;

/// A program's texts for CUDA and Metal, expressions of the type `Option<Text>`, and statements before them. `names` are the
/// sizes that the call gives.
pub fn emit(program: &Program, names: &[String]) -> (TokenStream, [TokenStream; 2]) {
    let texts = [Target::Cuda, Target::Metal].map(|target| write(program, target));
    if let [Some(cuda), Some(metal)] = &texts {
        // As a rule nothing but the words differs.
        let other = Text {
            header: cuda.header.clone(),
            body: cuda.body.clone(),
            ..metal.clone()
        };
        if other == *cuda {
            let text = of(program, cuda, names);
            let (header, body) = (&metal.header, &metal.body);
            return (
                quote! { const TEXT: __r::Text = #text; },
                [
                    quote! { Some(TEXT) },
                    quote! { Some(__r::Text { header: #header, body: #body, ..TEXT }) },
                ],
            );
        }
    }
    let each = texts.map(|text| match text {
        Some(text) => {
            let text = of(program, &text, names);
            quote! { Some(#text) }
        }
        None => quote! { None },
    });
    (quote! {}, each)
}

/// A text as an expression.
fn of(program: &Program, text: &Text, names: &[String]) -> TokenStream {
    let size = |dim: &Dim| {
        let terms = dim.terms().map(|(factors, c)| {
            let at = factors
                .iter()
                .map(|f| names.iter().position(|n| n == f).unwrap_or(0));
            quote! { (#c, &[#(#at),*]) }
        });
        quote! { &[#(#terms),*] }
    };
    let numbers = text.numbers.iter().map(|(number, word)| {
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
        __r::Text {
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
        }
    }
}
