//! Time of the macros on the whole Llama, from its source file: five structs and five impls
//! through every phase to the tokens that rustc gets. Parsing the file is rustc's own work and not
//! counted.

#![allow(missing_docs)] // criterion generates a public function

use criterion::{criterion_group, criterion_main, Criterion};
use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::{Attribute, Item};

const SOURCE: &str = include_str!("../../../examples/models/src/llama.rs");
/// The folder in which the model's own build finds its digest.
const CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");

/// The attribute's arguments, and whether it is there.
fn take(attrs: &mut Vec<Attribute>) -> Option<TokenStream> {
    let at = attrs.iter().position(|a| a.path().is_ident("mlx_model"))?;
    Some(match attrs.remove(at).meta {
        syn::Meta::List(l) => l.tokens,
        _ => TokenStream::new(),
    })
}

/// The input of the macros as rustc hands it over: `(attribute, item)` of each struct, and for each impl the input
/// of the second macro.
fn inputs() -> (Vec<(TokenStream, TokenStream)>, Vec<TokenStream>) {
    let mut structs: Vec<(String, TokenStream, TokenStream)> = Vec::new();
    let mut impls = Vec::new();
    for item in syn::parse_file(SOURCE).map_or(vec![], |f| f.items) {
        match item {
            Item::Struct(mut s) => {
                if let Some(attr) = take(&mut s.attrs) {
                    structs.push((s.ident.to_string(), attr, s.into_token_stream()));
                }
            }
            Item::Impl(mut i) => {
                if take(&mut i.attrs).is_none() {
                    continue;
                }
                let name = i.self_ty.to_token_stream().to_string();
                if let Some((_, attr, s)) = structs.iter().find(|(n, ..)| *n == name) {
                    impls.push(quote! { { #attr } { #s } #i });
                }
            }
            _ => {}
        }
    }
    let structs = structs.into_iter().map(|(_, attr, s)| (attr, s)).collect();
    (structs, impls)
}

fn expand(c: &mut Criterion) {
    std::env::set_var("CARGO_MANIFEST_DIR", CRATE);
    let (structs, impls) = inputs();
    assert!(structs.len() >= 4 && structs.len() == impls.len());
    c.bench_function("expand the Llama", |b| {
        b.iter(|| {
            for (attr, item) in &structs {
                std::hint::black_box(mlx_macros_core::attribute(attr.clone(), item.clone()));
            }
            for input in &impls {
                std::hint::black_box(mlx_macros_core::expand(input.clone()));
            }
        })
    });
}

criterion_group!(benches, expand);
criterion_main!(benches);
