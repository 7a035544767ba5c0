//! The cost of the macros as counts, because no clock is needed to count: the tokens of the generated code, which rustc's
//! time to check models follows, and the allocations of the expansion, which the macros' own time follows.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use mlx_macros_core::source::{sources, Source};

/// The tokens in a stream, those in its groups too.
fn count(tokens: TokenStream) -> usize {
    let one = |t: TokenTree| match t {
        TokenTree::Group(g) => 2 + count(g.stream()),
        _ => 1,
    };
    tokens.into_iter().map(one).sum()
}

/// True if an error is among the tokens.
fn has_error(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|t| match t {
        TokenTree::Group(g) => has_error(&g.stream()),
        TokenTree::Ident(i) => i == "compile_error",
        _ => false,
    })
}

/// The most tokens that one token of the examples' models may expand to. A change that needs fewer lowers it.
const MOST: usize = 26;
/// The most allocations for one token of the examples' models. A change that needs fewer lowers it.
const MOST_ALLOCATIONS: usize = 270;

#[test]
fn generated_code_does_not_grow() {
    let (mut written, mut generated) = (0, 0);
    let mut expanded = Vec::new();
    let made = allocation_counter::measure(|| expanded = expansions());
    for (from, to) in expanded {
        written += count(from);
        generated += count(to);
    }
    assert!(
        generated <= MOST * written,
        "{generated} tokens for {written}, {} each: expected less than {MOST}",
        generated / written
    );
    let each = made.count_total as usize / written;
    assert!(
        each <= MOST_ALLOCATIONS,
        "{} allocations for {written} tokens, {each} each: expected less than {MOST_ALLOCATIONS}",
        made.count_total
    );
}

/// The tokens of each model and function of the examples, and their expansion.
fn expansions() -> Vec<(TokenStream, TokenStream)> {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");
    // Digests are looked for beside the models.
    std::env::set_var("CARGO_MANIFEST_DIR", models);
    let mut all = Vec::new();
    for file in std::fs::read_dir(format!("{models}/src"))
        .unwrap()
        .map(|f| f.unwrap().path())
    {
        if file.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        for s in sources(&syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap()) {
            let tokens = s.tokens();
            let from = tokens.clone();
            let out = match &s {
                Source::Model { attr, item, .. } => {
                    let of_struct =
                        mlx_macros_core::attribute(attr.clone(), item.to_token_stream());
                    let of_impl = mlx_macros_core::expand(tokens);
                    of_struct.into_iter().chain(of_impl).collect()
                }
                Source::Function(_) => mlx_macros_core::functions::expand(tokens),
                Source::Kernel { attr, .. } => {
                    mlx_macros_core::kernels::expand(attr.clone(), tokens)
                }
            };
            assert!(!has_error(&out), "{}", file.display());
            all.push((from, out));
        }
    }
    all
}
