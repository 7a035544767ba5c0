//! The phases of the macros import in one direction only: a file reads its own phase and those before it. Each file
//! names its tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Item;

/// The folders of `src`, in the order in which they may import: each one those before it.
const PHASES: &[&str] = &[
    "diag", "syntax", "ir", "ops", "check", "fuse", "kernel", "plan", "lower", "report", "entry",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, as its path from `src` in parts.
fn files(folder: &Path, under: &[String], found: &mut Vec<(PathBuf, Vec<String>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_string();
        let parts = [under, &[name]].concat();
        match path.is_dir() {
            true => files(&path, &parts, found),
            false => found.push((path, parts)),
        }
    }
}

/// The module of a file: `fuse/mod.rs` is `fuse`, `fuse/lora.rs` is `fuse::lora`.
fn module(parts: &[String]) -> Vec<String> {
    let mut module = parts.to_vec();
    let file = module.pop().unwrap();
    match file.trim_end_matches(".rs") {
        "mod" => module,
        name => [module, vec![name.to_string()]].concat(),
    }
}

/// The first name behind the crate's root of each path in these tokens.
///
/// `at` is the module that holds them: `super` leads out of it.
fn roots(tokens: TokenStream, at: &[String], found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|t| t.to_string() == text);
    let mut i = 0;
    while i < tokens.len() {
        let path = !is(i.wrapping_sub(1), "$");
        match &tokens[i] {
            TokenTree::Ident(name) if path && (name == "crate" || name == "super") => {
                let mut module = match name == "crate" {
                    true => vec![],
                    false => at[..at.len() - 1].to_vec(),
                };
                let mut next = i + 1;
                while is(next, ":") && is(next + 1, ":") && is(next + 2, "super") {
                    module.pop();
                    next += 3;
                }
                let goes_on = is(next, ":") && is(next + 1, ":");
                match (module.first(), goes_on) {
                    (Some(phase), _) => {
                        found.insert(phase.clone());
                    }
                    (None, true) => match tokens.get(next + 2) {
                        Some(TokenTree::Group(g)) => found.extend(heads(g.stream())),
                        Some(name) => {
                            found.insert(name.to_string());
                        }
                        None => {}
                    },
                    // `pub(crate)` is no import; `use crate as name` would hide some.
                    (None, false) if is(next, "as") => {
                        found.insert("the root by another name".to_string());
                    }
                    (None, false) => {}
                }
                i = next;
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(name), Some(TokenTree::Group(g))) =
                    (tokens.get(i + 1), tokens.get(i + 2))
                {
                    let inner = [at, &[name.to_string()]].concat();
                    roots(g.stream(), &inner, found);
                    i += 2;
                }
            }
            TokenTree::Group(g) => roots(g.stream(), at, found),
            _ => {}
        }
        i += 1;
    }
}

/// The first name of each path in `{a::b, c}`.
fn heads(list: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = list.into_iter().collect();
    let paths = tokens.split(|t| t.to_string() == ",");
    paths
        .filter_map(|p| p.first().map(ToString::to_string))
        .collect()
}

/// The errors of a file with this path and text.
fn faults(parts: &[String], text: &str) -> Vec<String> {
    let file = parts.join("/");
    let place = |name: &str| PHASES.iter().position(|p| *p == name);
    let Some(own) = parts
        .first()
        .filter(|_| parts.len() > 1)
        .and_then(|p| place(p))
    else {
        return vec![format!("{file} is in no phase")];
    };
    let mut found = BTreeSet::new();
    roots(text.parse().unwrap(), &module(parts), &mut found);
    let wrong = found
        .into_iter()
        .filter(|p| place(p).is_none_or(|p| p > own));
    wrong.map(|p| format!("{file} -> {p}")).collect()
}

#[test]
fn phases_import_only_what_is_before_them() {
    let mut all = Vec::new();
    files(&source(), &[], &mut all);
    assert!(all.len() > 50, "only {} files", all.len());
    let sources = all.iter().filter(|(_, parts)| parts[..] != ["lib.rs"]);
    let found: BTreeSet<String> = sources
        .flat_map(|(path, parts)| faults(parts, &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "imports of a later phase: {found:#?}");
}

/// The types that the items define, and those that have inherent impls.
fn types(items: &[Item], defined: &mut BTreeSet<String>, extended: &mut BTreeSet<String>) {
    for item in items {
        match item {
            Item::Struct(s) => _ = defined.insert(s.ident.to_string()),
            Item::Enum(e) => _ = defined.insert(e.ident.to_string()),
            Item::Mod(m) => {
                let inner = m.content.as_ref().map_or(&[][..], |(_, items)| items);
                types(inner, defined, extended);
            }
            Item::Impl(i) if i.trait_.is_none() => match &*i.self_ty {
                syn::Type::Path(p) => {
                    let name = p.path.segments.last().map(|s| s.ident.to_string());
                    extended.extend(name);
                }
                other => panic!("an inherent impl of {}", other.to_token_stream()),
            },
            _ => {}
        }
    }
}

/// A method of a later phase on a type of an earlier one would be an import that no `use` shows.
#[test]
fn types_have_methods_in_their_own_phase_alone() {
    let mut all = Vec::new();
    files(&source(), &[], &mut all);
    for phase in PHASES {
        let (mut defined, mut extended) = (BTreeSet::new(), BTreeSet::new());
        for (path, _) in all.iter().filter(|(_, parts)| parts[0] == *phase) {
            let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
            types(&file.items, &mut defined, &mut extended);
        }
        let foreign: Vec<_> = extended.difference(&defined).collect();
        assert!(
            foreign.is_empty(),
            "methods in {phase} of types of another phase: {foreign:?}"
        );
    }
}

#[test]
fn every_phase_is_a_module_in_this_order() {
    let root = include_str!("../src/lib.rs");
    let names: Vec<&str> = root
        .lines()
        .filter_map(|l| l.split_once("mod ")?.1.strip_suffix(';'))
        .collect();
    assert_eq!(names, PHASES);
}

/// The line `Tests:` of a file's head names tests that exist.
#[test]
fn each_file_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = fs::read_to_string(root.join("../../tests/Cargo.toml")).unwrap();
    let mut all = Vec::new();
    files(&source(), &[], &mut all);
    for (path, parts) in all {
        let (file, text) = (parts.join("/"), fs::read_to_string(&path).unwrap());
        let head = text.lines().map_while(|l| l.strip_prefix("//!"));
        let head: String = head.collect::<Vec<_>>().join("\n");
        let Some((_, tests)) = head.split_once("\n Tests: ") else {
            panic!("{file} does not say which tests cover it");
        };
        let unit = tests.contains("unit tests below");
        assert!(
            !unit || text.contains("#[cfg(test)]"),
            "{file} has no unit tests"
        );
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(unit || !named.is_empty(), "{file} names no test");
        for name in named {
            let found = match name.rsplit_once("--test ") {
                Some((_, target)) => workspace.contains(&format!("name = \"{target}\"")),
                None => root.join(name).exists() || path.with_file_name(name).exists(),
            };
            assert!(found, "{file}: there is no {name}");
        }
    }
}

#[test]
fn each_form_of_an_import_is_read() {
    let faults = |file: &str, text: &str| {
        let parts: Vec<String> = file.split('/').map(String::from).collect();
        faults(&parts, text)
    };
    let back =
        |text: &str| faults("syntax/model/field.rs", text) == ["syntax/model/field.rs -> lower"];
    assert!(back("use crate::lower::dim;"));
    assert!(back("use crate::{diag::Diag, lower::dim};"));
    assert!(back("pub(crate) use super::super::super::lower;"));
    assert!(back("use super::super::super::{diag::Diag as D, lower};"));
    assert!(back("fn f() { g(|x| crate::lower::dim(x)) }"));
    assert!(back("mod tests { use super::super::super::super::lower; }"));
    assert!(back("macro_rules! m { () => { crate::lower::dim() } }"));
    let none = |text: &str| faults("fuse/mod.rs", text).is_empty();
    assert!(none(
        "use crate::fuse::a; use super::ops::OPS; pub(crate) fn f() {}"
    ));
    assert!(none(
        "/// crate::lower\nfn f() -> &'static str { \"crate::lower\" }"
    ));
    assert_eq!(faults("fuse/mod.rs", "use crate as c;").len(), 1);
    assert_eq!(faults("fuse/mod.rs", "use crate::errors::Code;").len(), 1);
    assert_eq!(faults("dims.rs", "").len(), 1);
}
