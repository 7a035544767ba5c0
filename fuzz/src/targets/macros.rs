//! The macros: `{ attribute } { struct } impl`, an item with an attribute, a helper function, and a kernel.
//!
//! Tests: `tests/short.rs`.

use std::path::Path;

use mlx_macros_core::source::sources;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

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
        .filter_map(|t| syn::parse_file(&t).ok())
        .flat_map(|f| sources(&f))
        .map(|s| s.tokens().to_string().into_bytes())
        .collect()
}

/// Expands the input in each way that it may be meant. The output must be Rust.
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
    is_rust(
        "function",
        mlx_macros_core::functions::expand(tokens.clone()),
    );
    is_rust(
        "kernel",
        mlx_macros_core::kernels::expand(TokenStream::new(), tokens),
    );
    proc_macro2::extra::invalidate_current_thread_spans();
}

/// Panics unless the output is Rust items or has a `compile_error`.
fn is_rust(what: &str, out: TokenStream) {
    let mut flat = Vec::new();
    crate::mutate::flat(out.clone(), &mut flat);
    if flat.iter().any(|t| t == "compile_error") {
        return;
    }
    if let Err(e) = syn::parse2::<syn::File>(out.clone()) {
        panic!("{what} gave invalid Rust: {e}\n{out}");
    }
}
