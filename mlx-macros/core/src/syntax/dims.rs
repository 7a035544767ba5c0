//! Symbolic sizes: polynomials with integer coefficients over named dims, in a normal form, so that equal sizes
//! compare equal.
//!
//! Tests: unit tests below.

use std::collections::BTreeMap;
use std::fmt;

use proc_macro2::{Ident, Span};

/// A size such as `B`, `heads*head_dim` or `2*ffn + 1`.
///
/// Names that begin with a capital are free: a call binds them. Others are read from the config.
/// A quotient that is known to be whole is a name too, `heads/kv_heads`; multiplied with its
/// divisor it becomes its dividend again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dim(BTreeMap<Vec<String>, i64>);

/// The sizes of a tensor, outermost first.
pub type Shape = Vec<Dim>;

impl Dim {
    /// A number.
    pub fn constant(n: i64) -> Self {
        let mut terms = BTreeMap::new();
        if n != 0 {
            terms.insert(Vec::new(), n);
        }
        Dim(terms)
    }

    /// A named dim.
    pub fn name(name: &str) -> Self {
        Dim(BTreeMap::from([(vec![name.to_string()], 1)]))
    }

    /// The number this is, if it has no names.
    pub fn as_constant(&self) -> Option<i64> {
        match self.0.len() {
            0 => Some(0),
            1 => self.0.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// The name this is, if it is nothing but a name.
    pub fn as_name(&self) -> Option<&str> {
        match self.0.iter().next() {
            Some((m, 1)) if self.0.len() == 1 && m.len() == 1 => Some(&m[0]),
            _ => None,
        }
    }

    /// True if this is the number one, the size that broadcasts.
    pub fn is_one(&self) -> bool {
        self.as_constant() == Some(1)
    }

    /// The sum of two sizes.
    pub fn plus(&self, other: &Dim) -> Dim {
        let mut terms = self.0.clone();
        for (m, c) in &other.0 {
            let sum: &mut i64 = terms.entry(m.clone()).or_insert(0);
            *sum = sum.saturating_add(*c);
        }
        // Two halves are a whole.
        let whole = terms.iter().find_map(|(m, c)| {
            let (names, factor) = reduced(m.clone(), *c);
            (names != *m).then(|| (m.clone(), names, factor))
        });
        if let Some((parts, names, factor)) = whole {
            terms.remove(&parts);
            return Dim(terms).plus(&Dim(BTreeMap::from([(names, factor)])));
        }
        terms.retain(|_, c| *c != 0);
        Dim(terms)
    }

    /// This size with its sign turned.
    pub fn negated(&self) -> Dim {
        Dim(self
            .0
            .iter()
            .map(|(m, c)| (m.clone(), c.saturating_neg()))
            .collect())
    }

    /// The product of two sizes.
    pub fn times(&self, other: &Dim) -> Dim {
        let mut terms: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for (a, x) in &self.0 {
            for (b, y) in &other.0 {
                let m = [a.as_slice(), b.as_slice()].concat();
                let (m, c) = reduced(m, x.saturating_mul(*y));
                let sum = terms.entry(m).or_insert(0);
                *sum = sum.saturating_add(c);
            }
        }
        terms.retain(|_, c| *c != 0);
        Dim(terms)
    }

    /// The exact quotient by a product of names and a number; `None` where it does not divide
    /// every term.
    pub fn divided_by(&self, other: &Dim) -> Option<Dim> {
        if other.0.len() != 1 {
            return (self == other).then(|| Dim::constant(1));
        }
        let (divisor, by) = other.0.iter().next()?;
        let mut terms = BTreeMap::new();
        for (m, c) in &self.0 {
            let rest = without(m, divisor)?;
            if c.checked_rem(*by) != Some(0) {
                return None;
            }
            terms.insert(rest, c.checked_div(*by)?);
        }
        Some(Dim(terms))
    }

    /// This size with names replaced by other sizes.
    pub fn substitute(&self, map: &BTreeMap<String, Dim>) -> Dim {
        let mut sum = Dim::default();
        for (m, c) in &self.0 {
            let mut product = Dim::constant(*c);
            for name in m {
                let factor = match (map.get(name), Quotient::of(name)) {
                    (Some(d), _) => d.clone(),
                    (None, Some(q)) => q.substitute(map).unwrap_or_else(|| Dim::name(name)),
                    (None, None) => Dim::name(name),
                };
                product = product.times(&factor);
            }
            sum = sum.plus(&product);
        }
        sum
    }

    /// The names in it, each once; of a quotient, those on both sides.
    pub fn names(&self) -> Vec<&str> {
        let names = self.0.keys().flatten().flat_map(|n| n.split(['/', '*']));
        let mut names: Vec<&str> = names
            .filter(|n| !n.starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// True if it holds a size that no argument shows, such as how many keys a cache had before.
    pub fn is_hidden(&self) -> bool {
        self.names().iter().any(|n| n.ends_with('\''))
    }

    /// The terms: the names multiplied in each, and its coefficient.
    pub fn terms(&self) -> impl Iterator<Item = (&[String], i64)> {
        self.0.iter().map(|(m, c)| (m.as_slice(), *c))
    }
}

pub(super) fn product(factor: i64, names: &[String]) -> Dim {
    let start = Dim::constant(factor);
    names.iter().fold(start, |t, n| t.times(&Dim::name(n)))
}

/// `names` without each of `divisor`, if they are all there.
pub(super) fn without(names: &[String], divisor: &[String]) -> Option<Vec<String>> {
    let mut rest = names.to_vec();
    for name in divisor {
        let at = rest.iter().position(|n| n == name)?;
        rest.remove(at);
    }
    Some(rest)
}

/// A product with every quotient that meets its divisor replaced by its dividend, sorted.
fn reduced(mut names: Vec<String>, mut factor: i64) -> (Vec<String>, i64) {
    let step = |names: &[String], factor: i64| {
        names.iter().enumerate().find_map(|(i, name)| {
            let q = Quotient::of(name)?;
            let others = [&names[..i], &names[i + 1..]].concat();
            let mut rest = without(&others, &q.by)?;
            rest.extend(q.of);
            (factor % q.number == 0).then(|| (rest, factor / q.number))
        })
    };
    while let Some((n, f)) = step(&names, factor) {
        (names, factor) = (n, f);
    }
    names.sort();
    (names, factor)
}

/// The two sides of a quotient that is a name: `of / (number * by)`.
pub struct Quotient {
    /// The names multiplied in the dividend.
    pub of: Vec<String>,
    /// The names multiplied in the divisor.
    pub by: Vec<String>,
    /// The number in the divisor, 1 or more.
    pub number: i64,
}

impl Quotient {
    /// Reads a name such as `heads/kv_heads` or `image/2`; `None` for a plain name.
    pub fn of(name: &str) -> Option<Quotient> {
        let (of, by) = name.split_once('/')?;
        let mut q = Quotient {
            of: of.split('*').map(String::from).collect(),
            by: Vec::new(),
            number: 1,
        };
        for factor in by.split('*') {
            match factor.parse::<i64>() {
                Ok(n) => q.number = n.max(1),
                Err(_) => q.by.push(factor.to_string()),
            }
        }
        Some(q)
    }

    fn name(&self) -> Dim {
        let number = (self.number != 1).then(|| self.number.to_string());
        let by: Vec<&str> = number.iter().chain(&self.by).map(String::as_str).collect();
        Dim::name(&format!("{}/{}", self.of.join("*"), by.join("*")))
    }

    /// The quotient of two terms, as a name of its own.
    pub(super) fn of_terms(of: &[String], by: &[String], number: i64) -> Dim {
        let (mut of, mut by) = (of.to_vec(), by.to_vec());
        of.sort();
        by.sort();
        Quotient { of, by, number }.name()
    }

    /// The same quotient of other sizes, if both sides stay products.
    fn substitute(&self, map: &BTreeMap<String, Dim>) -> Option<Dim> {
        let side = |names: &[String]| product(1, names).substitute(map);
        let (of, by) = (
            side(&self.of),
            side(&self.by).times(&Dim::constant(self.number)),
        );
        if let Some(exact) = of.divided_by(&by) {
            return Some(exact);
        }
        let (mut dividend, mut divisor) = (of.terms(), by.terms());
        match (
            dividend.next(),
            dividend.next(),
            divisor.next(),
            divisor.next(),
        ) {
            (Some((of, c)), None, Some((by, number)), None) if number > 0 => {
                Some(Quotient::of_terms(of, by, number).times(&Dim::constant(c)))
            }
            _ => None,
        }
    }
}

/// True if a dim's name is bound by the call rather than by the config.
pub fn is_free(name: &str) -> bool {
    name.starts_with(|c: char| c.is_uppercase()) && !name.contains('/')
}

/// The product of all sizes of a shape.
pub fn volume(shape: &[Dim]) -> Dim {
    shape.iter().fold(Dim::constant(1), |v, d| v.times(d))
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false, str::to_string))
    }
}

impl Dim {
    /// The size as people write it, with each name as `name` gives it. `ordered` puts subtracted terms last.
    pub(super) fn text(&self, ordered: bool, name: impl Fn(&str) -> String) -> String {
        if self.0.is_empty() {
            return "0".to_string();
        }
        let mut out = String::new();
        // The constant comes last, as people write it.
        let (mut names, number): (Vec<_>, Vec<_>) = self.0.iter().partition(|(m, _)| !m.is_empty());
        if ordered {
            names.sort_by_key(|(_, c)| **c < 0);
        }
        for (i, (m, c)) in names.into_iter().chain(number).enumerate() {
            out += match (i, *c < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            let factors: Vec<String> = m.iter().map(|n| name(n)).collect();
            out += &match (m.is_empty(), c.abs()) {
                (true, n) => n.to_string(),
                (false, 1) => factors.join("*"),
                (false, n) => format!("{n}*{}", factors.join("*")),
            };
        }
        out
    }
}

/// The config's field for a dim; a keyword becomes a raw identifier.
pub fn config_field(name: &str) -> Ident {
    syn::parse_str(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(s: &str) -> Dim {
        Dim::name(s)
    }

    #[test]
    fn products_and_sums_have_one_form() {
        let a = n("h").times(&n("d")).plus(&Dim::constant(2));
        let b = Dim::constant(1)
            .plus(&n("d").times(&n("h")))
            .plus(&Dim::constant(1));
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "d*h + 2");
        assert_eq!(a.plus(&a.negated()), Dim::constant(0));
    }

    #[test]
    fn division_is_exact_or_nothing() {
        let q = n("heads").times(&n("head_dim"));
        assert_eq!(q.divided_by(&n("heads")), Some(n("head_dim")));
        assert_eq!(q.divided_by(&n("kv")), None);
        assert_eq!(Dim::constant(6).divided_by(&Dim::constant(4)), None);
        let sum = n("a").plus(&n("b"));
        assert_eq!(sum.divided_by(&sum), Some(Dim::constant(1)));
        assert_eq!(sum.divided_by(&n("a")), None);
    }
}
