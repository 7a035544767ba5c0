//! The models of the examples, and those that the UI tests compile, have no mistakes: a fast look
//! before rustc's.

use std::path::{Path, PathBuf};

use quote::{quote, ToTokens};
use syn::{Item, Meta};

fn sources(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(folder);
    let all = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path());
    all.filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The mistakes in a file's models and functions.
fn mistakes(path: &Path) -> Vec<String> {
    let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut all = Vec::new();
    for item in &file.items {
        match item {
            Item::Struct(s) => {
                let Some(at) = s.attrs.iter().position(|a| a.path().is_ident("mlx_model")) else {
                    continue;
                };
                let attr = match &s.attrs[at].meta {
                    Meta::List(list) => list.tokens.clone(),
                    _ => Default::default(),
                };
                let mut s = s.clone();
                s.attrs.remove(at);
                let name = s.ident.to_string();
                let methods = file.items.iter().find_map(|i| match i {
                    Item::Impl(i)
                        if i.self_ty.to_token_stream().to_string().split(' ').next()
                            == Some(&name) =>
                    {
                        Some(i.clone())
                    }
                    _ => None,
                });
                let Some(methods) = methods else {
                    continue;
                };
                if let Err((mut found, _)) = mlx_macros_core::analyse(attr, s, &methods) {
                    // Digests are looked for in the crate that the model is in.
                    found.retain(|d| d.code != mlx_macros_core::diag::Code::Digest);
                    all.extend(found.iter().map(|d| {
                        format!("{}:{}: {}", path.display(), d.span.start().line, d.message)
                    }));
                }
            }
            Item::Fn(f) if f.attrs.iter().any(|a| a.path().is_ident("mlx_fn")) => {
                let mut f = f.clone();
                f.attrs.clear();
                let out = mlx_macros_core::functions::expand(quote! { #f }).to_string();
                if let Some(at) = out.find("compile_error") {
                    let text: String = out[at..].chars().take(120).collect();
                    all.push(format!("{}: {text}", path.display()));
                }
            }
            _ => {}
        }
    }
    all
}

#[test]
fn what_compiles_has_no_mistakes() {
    for folder in ["examples/models/src", "tests/ui/pass", "tests/src"] {
        for path in sources(folder) {
            assert_eq!(mistakes(&path), [""; 0]);
        }
    }
}
