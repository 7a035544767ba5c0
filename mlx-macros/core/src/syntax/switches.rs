//! Reads `fuse(off)`, `fuse(only(a, b))` and `fuse(except(a, b))` in a model's attribute.
//!
//! Tests: `tests/passes.rs`, `tests/planted.rs`.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Meta, MetaList, Path, Token};

use crate::diag::{suggest, Diag, Result};

/// The passes that run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Switches {
    /// All of them.
    #[default]
    All,
    /// Those named.
    Only(BTreeSet<String>),
    /// All but those named.
    Except(BTreeSet<String>),
}

impl Switches {
    /// Reads the argument `fuse(..)`; `known` are the names of all passes.
    pub fn parse(list: &MetaList, known: &[&str]) -> Result<Self> {
        let form = || Diag::fuse_form(list.span());
        match list.parse_args::<Meta>().map_err(|_| form())? {
            Meta::Path(p) if p.is_ident("off") => Ok(Switches::Only(BTreeSet::new())),
            Meta::List(l) if l.path.is_ident("only") => Ok(Switches::Only(names(&l, known)?)),
            Meta::List(l) if l.path.is_ident("except") => Ok(Switches::Except(names(&l, known)?)),
            _ => Err(form()),
        }
    }

    /// True if the pass of that name runs.
    pub fn is_on(&self, name: &str) -> bool {
        match self {
            Switches::All => true,
            Switches::Only(names) => names.contains(name),
            Switches::Except(names) => !names.contains(name),
        }
    }
}

fn names(list: &MetaList, known: &[&str]) -> Result<BTreeSet<String>> {
    let paths = list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)?;
    paths
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let name = p.to_token_stream().to_string();
            if paths.iter().take(i).any(|before| before == p) {
                return Err(Diag::key_twice(p.span(), name));
            }
            if known.contains(&name.as_str()) {
                return Ok(name);
            }
            let near = suggest(&name, known.iter().copied());
            Err(Diag::unknown_pass(p.span(), name, near, known.join(", ")))
        })
        .collect()
}
