//! Reads `fuse(off)`, `fuse(only(a, b))` and `fuse(except(a, b))` in a model's attribute.
//!
//! Tests: `tests/passes.rs`, `tests/planted.rs`.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Meta, MetaList, Path, Token};

use crate::diag::{Diag, Result};

/// Names of passes, each with its place.
pub type Names = BTreeMap<String, Span>;

/// Which passes run.
#[derive(Clone, Debug, Default)]
pub enum Switches {
    /// All of them.
    #[default]
    All,
    /// Those named.
    Only(Names),
    /// All but those named.
    Except(Names),
}

impl Switches {
    /// Reads the argument `fuse(..)`.
    pub fn parse(list: &MetaList) -> Result<Self> {
        let form = || Diag::fuse_form(list.span());
        match list.parse_args::<Meta>().map_err(|_| form())? {
            Meta::Path(p) if p.is_ident("off") => Ok(Switches::Only(Names::new())),
            Meta::List(l) if l.path.is_ident("only") => Ok(Switches::Only(names(&l)?)),
            Meta::List(l) if l.path.is_ident("except") => Ok(Switches::Except(names(&l)?)),
            _ => Err(form()),
        }
    }

    /// The passes that it names; `fuse` knows which there are.
    pub fn names(&self) -> impl Iterator<Item = (&str, Span)> {
        let names = match self {
            Switches::All => None,
            Switches::Only(names) | Switches::Except(names) => Some(names),
        };
        let all = names.into_iter().flatten();
        all.map(|(name, at)| (name.as_str(), *at))
    }

    /// True if the pass of that name runs.
    pub fn is_on(&self, name: &str) -> bool {
        match self {
            Switches::All => true,
            Switches::Only(names) => names.contains_key(name),
            Switches::Except(names) => !names.contains_key(name),
        }
    }
}

fn names(list: &MetaList) -> Result<Names> {
    let mut names = Names::new();
    for p in list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)? {
        let (name, at) = (p.to_token_stream().to_string(), p.span());
        if names.insert(name.clone(), at).is_some() {
            return Err(Diag::key_twice(at, name));
        }
    }
    Ok(names)
}
