//! The sizes of a model: short names, requirements, quotients, and the words of a message.
//!
//! Tests: unit tests below.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;

use crate::syntax::dims::{config_field, product, without, Dim, Quotient};
use crate::syntax::logic::Facts;

/// The sizes of a model, their names, and the requirements on them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Short names for sizes (`q` for `heads*head_dim`).
    pub short: BTreeMap<String, Dim>,
    /// Sizes that the model requires to be multiples of others.
    pub multiples: Vec<(Dim, Dim)>,
    /// The requirements of the model.
    pub facts: Facts,
    /// The place of each short name's definition.
    pub defined: BTreeMap<String, Span>,
    /// Short names that some size uses.
    pub used: RefCell<BTreeSet<String>>,
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
    pub fn config_field(&self, name: &str) -> Ident {
        let mut field = config_field(name);
        if let Some(at) = self.places.borrow().get(name) {
            field.set_span(*at);
        }
        field
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
                    None => name.to_string(),
                }
            }),
        }
    }

    /// The whole quotient of two sizes, if it is one by its form or by what the model requires.
    pub fn divide(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        if let Some(exact) = a.divided_by(b) {
            return Some(exact);
        }
        let (mut divisors, mut sum) = (b.terms(), Dim::default());
        let (Some((by, number)), None) = (divisors.next(), divisors.next()) else {
            return None;
        };
        for (names, c) in a.terms() {
            sum = sum.plus(&self.divide_term(names, c, by, number)?);
        }
        Some(sum)
    }

    /// The quotient of two sizes rounded down, where it is known.
    pub fn floor_div(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        if let Some(exact) = self.divide(a, b) {
            return Some(exact);
        }
        // A number is cut off; all else must divide.
        let by = b.as_constant().filter(|n| *n > 0)?;
        let numbers = a.terms().filter(|(n, _)| n.is_empty());
        let number: i64 = numbers.map(|(_, c)| c).sum();
        let whole = self.divide(&a.plus(&Dim::constant(-number)), b)?;
        Some(whole.plus(&Dim::constant(number.div_euclid(by))))
    }

    /// One term divided by one term, a factor of the divisor after the other.
    fn divide_term(&self, names: &[String], c: i64, by: &[String], number: i64) -> Option<Dim> {
        if by.is_empty() && number != 0 && c % number == 0 {
            return Some(product(c / number, names));
        }
        for (i, factor) in by.iter().enumerate() {
            let others = [&by[..i], &by[i + 1..]].concat();
            let rest = match (
                without(names, std::slice::from_ref(factor)),
                Quotient::of(factor),
            ) {
                (Some(rest), _) => Some((rest, c)),
                // A size by a quotient of its own: heads / (heads/kv_heads) is kv_heads.
                (None, Some(q)) => without(names, &q.of)
                    .and_then(|rest| Some(([rest, q.by].concat(), c.checked_mul(q.number)?))),
                (None, None) => None,
            };
            let found = rest.and_then(|(n, c)| self.divide_term(&n, c, &others, number));
            if found.is_some() {
                return found;
            }
        }
        self.multiples.iter().find_map(|(of, divisor)| {
            let (mut x, mut y) = (of.terms(), divisor.terms());
            let ((x, 1), None, (y, k), None) = (x.next()?, x.next(), y.next()?, y.next()) else {
                return None;
            };
            let rest = without(names, x)?;
            let others = without(by, y)?;
            if k < 1 || number < 1 || (y.is_empty() && k == 1) {
                return None;
            }
            let whole = Quotient::of_terms(x, y, k);
            // A multiple of 64 is one of 32, and half of it twice a 64th.
            let (number, times) = match (number % k, k % number) {
                (0, _) => (number / k, 1),
                (_, 0) => (1, k / number),
                _ => return None,
            };
            let rest = self.divide_term(&rest, c, &others, number)?;
            Some(rest.times(&whole).times(&Dim::constant(times)))
        })
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

    #[test]
    fn required_quotients_are_names_that_reduce() {
        let names = Names {
            multiples: vec![(n("heads"), n("kv")), (n("image"), Dim::constant(2))],
            ..Names::default()
        };
        let group = names.divide(&n("heads"), &n("kv")).unwrap();
        assert_eq!(group.to_string(), "heads/kv");
        assert_eq!(
            group.times(&n("kv")).times(&n("d")),
            n("heads").times(&n("d"))
        );
        assert_eq!(names.divide(&n("heads"), &group), Some(n("kv")));
        let wide = n("heads").times(&n("d")).times(&n("B"));
        let part = names.divide(&wide, &n("kv")).unwrap();
        assert_eq!(part.to_string(), "B*d*heads/kv");
        assert_eq!(part.names(), ["B", "d", "heads", "kv"]);
        assert_eq!(names.divide(&n("kv"), &n("heads")), None);
        let wide = Names {
            multiples: vec![(n("h"), Dim::constant(64))],
            ..Names::default()
        };
        let by = |k| {
            wide.divide(&n("h"), &Dim::constant(k))
                .map(|d| d.to_string())
        };
        assert_eq!(by(32).as_deref(), Some("2*h/64"));
        assert_eq!([by(128), by(48), by(0)], [None, None, None]);
        let third = names.divide(&n("heads").times(&n("d")), &group.times(&n("d")));
        assert_eq!(third, Some(n("kv")));
        let half = names.divide(&n("image"), &Dim::constant(2)).unwrap();
        assert_eq!(
            half.times(&Dim::constant(4)),
            n("image").times(&Dim::constant(2))
        );
        assert_eq!(half.times(&Dim::constant(3)).to_string(), "3*image/2");
        assert_eq!(half.plus(&half), n("image"));
        assert_eq!(half.plus(&half).plus(&half).to_string(), "image + image/2");
        let bound = BTreeMap::from([("heads".to_string(), n("kv").times(&n("g")))]);
        assert_eq!(group.substitute(&bound), n("g"));
    }
}
