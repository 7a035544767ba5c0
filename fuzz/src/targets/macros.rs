//! The macros: `{ attribute } { struct } impl`, an item with an attribute, and a helper function.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{quote, ToTokens};
use syn::{Item, Meta};

/// The models and functions of a source file, as the macros get them.
fn parts(text: &str) -> Vec<String> {
    let Ok(file) = syn::parse_file(text) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for item in &file.items {
        match item {
            Item::Struct(s) => {
                let Some(at) = s.attrs.iter().position(|a| a.path().is_ident("mlx_model")) else {
                    continue;
                };
                let attr = match &s.attrs[at].meta {
                    Meta::List(list) => list.tokens.clone(),
                    _ => TokenStream::new(),
                };
                let mut s = s.clone();
                s.attrs.remove(at);
                let methods = file.items.iter().find_map(|i| match i {
                    Item::Impl(i) if names(&i.self_ty, &s.ident) => Some(i.clone()),
                    _ => None,
                });
                if let Some(mut methods) = methods {
                    methods.attrs.clear();
                    all.push(quote! { { #attr } { #s } #methods }.to_string());
                }
            }
            Item::Fn(f) => {
                let mut f = f.clone();
                f.attrs.retain(|a| !a.path().is_ident("mlx_fn"));
                all.push(f.to_token_stream().to_string());
            }
            _ => {}
        }
    }
    all
}

fn names(ty: &syn::Type, name: &syn::Ident) -> bool {
    matches!(ty, syn::Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == *name))
}

/// The models of the workspace, and those of the messages' tests.
pub fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<_> = [
        "examples/models/src",
        "tests/ui/pass",
        "tests/ui/fail",
        "tests/src",
    ]
    .iter()
    .filter_map(|f| std::fs::read_dir(root.join(f)).ok())
    .flatten()
    .filter_map(|f| Some(f.ok()?.path()))
    .filter(|p| p.extension().is_some_and(|e| e == "rs"))
    .collect();
    files.sort();
    let texts = files.iter().filter_map(|f| std::fs::read_to_string(f).ok());
    texts
        .flat_map(|t| parts(&t))
        .map(String::into_bytes)
        .collect()
}

/// Expands the input in each way that it may be meant. What comes out is Rust.
pub fn run(input: &[u8]) {
    let Some(tokens) = std::str::from_utf8(input)
        .ok()
        .and_then(|t| t.parse::<TokenStream>().ok())
    else {
        return;
    };
    let mut groups = tokens.clone().into_iter().filter_map(|t| match t {
        TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => Some(g.stream()),
        _ => None,
    });
    if let (Some(attr), Some(item)) = (groups.next(), groups.next()) {
        is_rust("attribute", mlx_macros_core::attribute(attr, item));
    }
    is_rust("expand", mlx_macros_core::expand(tokens.clone()));
    is_rust("function", mlx_macros_core::functions::expand(tokens));
    proc_macro2::extra::invalidate_current_thread_spans();
}

/// What comes out with no mistake in it must be items of Rust.
fn is_rust(what: &str, out: TokenStream) {
    let mut flat = Vec::new();
    crate::mutate::flat(out.clone(), &mut flat);
    if flat.iter().any(|t| t == "compile_error") {
        return;
    }
    if let Err(e) = syn::parse2::<syn::File>(out.clone()) {
        panic!("{what} gave what is no Rust: {e}\n{out}");
    }
}
