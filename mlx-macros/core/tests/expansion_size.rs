//! The size of the generated code, in tokens: rustc's time to check models follows it, and no clock is needed to count.

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

/// The most tokens that one token of the examples' models may expand to. A change that needs fewer lowers it.
const MOST: usize = 34;

#[test]
fn generated_code_does_not_grow() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");
    // Digests are looked for beside the models.
    std::env::set_var("CARGO_MANIFEST_DIR", models);
    let (mut written, mut generated) = (0, 0);
    for file in std::fs::read_dir(format!("{models}/src"))
        .unwrap()
        .map(|f| f.unwrap().path())
    {
        if file.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        for s in sources(&syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap()) {
            let tokens = s.tokens();
            written += count(tokens.clone());
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
            assert!(
                !out.to_string().contains("compile_error"),
                "{}",
                file.display()
            );
            generated += count(out);
        }
    }
    assert!(
        generated <= MOST * written,
        "{generated} tokens for {written}, {} each: expected less than {MOST}",
        generated / written
    );
}
