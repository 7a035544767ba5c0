//! The sizes of a model: short names, requirements, quotients, and the words of a message.
//!
//! Tests: unit tests below.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt;

use crate::syntax::dims::{config_field, Dim, Quotient};
use crate::syntax::logic::Facts;

/// The sizes of a model, their names, and the requirements on them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Short names for sizes (`q` for `heads*head_dim`).
    pub short: BTreeMap<String, Dim>,
    /// The requirements of the model.
    pub facts: Facts,
    /// The place of each short name's definition.
    pub defined: BTreeMap<String, Span>,
    /// Short names that some size uses.
    pub used: RefCell<BTreeSet<String>>,
    /// Optional configs inside of the config, of which a body reads sizes.
    pub holders: RefCell<BTreeSet<String>>,
    /// Constants of Rust that are sizes of the struct, by the names in it.
    pub constants: RefCell<BTreeMap<String, Dim>>,
    /// True while a struct is read, where names in capitals are constants. Elsewhere they are free, unless they are
    /// constants of the struct.
    pub of_struct: std::cell::Cell<bool>,
    /// The place where each name was first written: rustc reports there that the config has no such field.
    pub places: RefCell<BTreeMap<String, Span>>,
}

impl Names {
    /// Keeps the place of a name that the user wrote.
    pub fn seen(&self, name: &Ident) {
        if self.short.contains_key(&name.unraw().to_string()) {
            self.used.borrow_mut().insert(name.unraw().to_string());
            return;
        }
        let mut places = self.places.borrow_mut();
        let place = places.entry(name.unraw().to_string());
        place.or_insert_with(|| name.span());
    }

    /// The config's field for a dim, where the dim was first written.
    pub fn config_field(&self, name: &str) -> (TokenStream, Span) {
        let at = self.places.borrow().get(name).copied();
        let at = at.unwrap_or_else(Span::call_site);
        (config_field(name, at), at)
    }

    /// The constant of Rust that a path names as a size.
    pub fn constant(&self, path: &syn::Path) -> Option<Dim> {
        let text: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let text = text.join("::");
        if let Some(known) = self.constants.borrow().get(&text) {
            return Some(known.clone());
        }
        if !self.of_struct.get() || !crate::syntax::condition::is_constant(path) {
            return None;
        }
        let first = path.segments.first()?.ident.to_string();
        // A path is told from a free dim by its begin.
        let whole = match first.as_str() {
            "crate" | "self" | "super" => text.clone(),
            _ => format!("self::{text}"),
        };
        let size = Dim::name(&whole);
        self.constants.borrow_mut().insert(text, size.clone());
        Some(size)
    }

    /// Keeps the place of a size in a config inside of the config.
    pub fn seen_inside(&self, name: &str, at: Span) {
        let mut places = self.places.borrow_mut();
        places.entry(name.to_string()).or_insert(at);
    }

    /// A size in the user's words.
    pub fn dim(&self, d: &Dim) -> String {
        let plain = d.as_name().is_some_and(|n| Quotient::of(n).is_none());
        match self.short.iter().find(|(_, v)| *v == d) {
            Some((name, _)) if !plain => name.clone(),
            _ => d.text(true, |name| {
                let one = Dim::name(name);
                let mut short = self.short.iter();
                match short.find(|(_, v)| **v == one && Quotient::of(name).is_some()) {
                    Some((short, _)) => short.clone(),
                    None => name.strip_prefix("self::").unwrap_or(name).to_string(),
                }
            }),
        }
    }

    /// The whole quotient of two sizes, if it is one by its form or by what the model requires.
    pub fn divide(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        self.facts.divide(a, b)
    }

    /// A shape in the user's words: `[B, L, q]`.
    pub fn shape(&self, shape: &[Dim]) -> String {
        let dims: Vec<String> = shape.iter().map(|d| self.dim(d)).collect();
        format!("[{}]", dims.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(s: &str) -> Dim {
        Dim::name(s)
    }

    #[test]
    fn named_sizes_print_by_their_name() {
        let q = n("heads").times(&n("head_dim"));
        let names = Names {
            short: BTreeMap::from([("q".to_string(), q.clone())]),
            ..Names::default()
        };
        assert_eq!(names.shape(&[n("B"), q]), "[B, q]");
    }
}
