//! Which items of a crate's sources name which functions.
//!
//! Tests: `tests/current.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The items that call each function.
pub type Calls = BTreeMap<String, BTreeSet<String>>;

/// The module that names functions without calling them: the tables that `explain` prints.
const NAMES_ONLY: &str = "explain";

/// Reads every file below `folder`, but for the module that only names functions.
pub fn find(folder: &Path, functions: &BTreeSet<String>) -> Result<Calls> {
    let mut calls = Calls::new();
    walk(folder, &mut Vec::new(), functions, &mut calls)?;
    Ok(calls)
}

fn walk(
    folder: &Path,
    module: &mut Vec<String>,
    functions: &BTreeSet<String>,
    calls: &mut Calls,
) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if module.is_empty() && name == NAMES_ONLY {
            continue;
        }
        let nested = !matches!(name.as_str(), "lib" | "mod");
        if nested {
            module.push(name);
        }
        if path.is_dir() {
            walk(&path, module, functions, calls)?;
        } else {
            let text = std::fs::read_to_string(&path)?;
            let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
            let mut finder = Finder {
                path: module.clone(),
                functions,
                calls,
            };
            finder.visit_file(&file);
        }
        if nested {
            module.pop();
        }
    }
    Ok(())
}

struct Finder<'a> {
    path: Vec<String>,
    functions: &'a BTreeSet<String>,
    calls: &'a mut Calls,
}

impl Finder<'_> {
    fn within(&mut self, name: String, body: impl FnOnce(&mut Self)) {
        self.path.push(name);
        body(self);
        self.path.pop();
    }

    fn record(&mut self, function: &str, item: String) {
        if self.functions.contains(function) {
            self.calls
                .entry(function.to_owned())
                .or_default()
                .insert(item);
        }
    }

    fn here(&self) -> String {
        self.path.join("::")
    }

    /// The rows of a macro that makes items: each ends with a `;` and is called by its first word
    /// after attributes and `pub`.
    fn rows(&mut self, tokens: TokenStream) {
        let mut row: Option<String> = None;
        let mut hash = false;
        for token in tokens {
            match token {
                TokenTree::Punct(p) if p.as_char() == ';' => row = None,
                TokenTree::Punct(p) => hash = p.as_char() == '#',
                // An attribute's brackets.
                TokenTree::Group(_) if hash => hash = false,
                TokenTree::Group(g) => {
                    let name = row.clone().unwrap_or_default();
                    self.within(name, |s| s.flat(g.stream()));
                }
                TokenTree::Ident(i) => {
                    let word = i.to_string();
                    match &row {
                        None if word == "pub" => {}
                        None => row = Some(word),
                        Some(name) => {
                            let item = format!("{}::{name}", self.here());
                            self.record(&word, item);
                        }
                    }
                }
                TokenTree::Literal(_) => {}
            }
        }
    }

    /// Every name, wherever it stands.
    fn flat(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(g) => self.flat(g.stream()),
                TokenTree::Ident(i) => self.record(&i.to_string(), self.here()),
                _ => {}
            }
        }
    }
}

/// Tests do not count.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        let text = match &a.meta {
            syn::Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        a.path().is_ident("cfg") && text == "test"
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.within(item.ident.to_string(), |s| visit::visit_item_mod(s, item));
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(item.sig.ident.to_string(), |s| {
            visit::visit_item_fn(s, item)
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(p) => p.path.segments.last().map(|s| s.ident.to_string()),
            _ => None,
        };
        self.within(name.unwrap_or_default(), |s| {
            visit::visit_item_impl(s, item)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(item.sig.ident.to_string(), |s| {
            visit::visit_impl_item_fn(s, item)
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(last) = path.segments.last() {
            self.record(&last.ident.to_string(), self.here());
        }
        visit::visit_path(self, path);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.ident.is_none() {
            self.rows(item.mac.tokens.clone());
        } else if let Some(name) = &item.ident {
            // The calls in a macro's body are made wherever it is used.
            self.within(format!("{name}!"), |s| s.flat(item.mac.tokens.clone()));
        }
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.flat(mac.tokens.clone());
    }
}
