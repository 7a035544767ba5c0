//! Symbolic sizes: polynomials with integer coefficients over named dims, in a normal form, so that equal sizes
//! compare equal.
//!
//! Tests: unit tests below.

use std::collections::BTreeMap;
use std::fmt;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::syntax::rational::{whole, Fraction, Product, Sum};

/// A size such as `B`, `heads*head_dim` or `2*ffn + 1`.
///
/// Names that begin with a capital are free: a call binds them. Others are read from the config. A sum of quotients that
/// is whole as a whole is a name too, `heads/kv_heads` or `(a + b)/2`; its parts are those of [`Quotient::of`].
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

    /// True if a quotient is part of it.
    fn has_quotients(&self) -> bool {
        self.0.keys().flatten().any(|n| n.contains('/'))
    }

    /// The size with its quotients taken apart.
    pub(super) fn sum(&self) -> Sum {
        let mut all = Sum::default();
        for (names, c) in &self.0 {
            let start = Sum::constant(Fraction::whole(*c));
            let product = names.iter().fold(start, |product, name| {
                product.times(&match Quotient::of(name) {
                    Some(q) => q.sum(),
                    None => Sum::term(Product::from([(name.clone(), 1)]), Fraction::ONE),
                })
            });
            all = all.plus(&product);
        }
        all
    }

    /// A sum that is whole as a whole.
    pub(super) fn of_sum(sum: &Sum) -> Self {
        let (mut terms, mut rest) = (BTreeMap::new(), Sum::default());
        for (product, c) in &sum.0 {
            if c.under == 1 && product.values().all(|power| *power > 0) {
                let names = product.iter();
                let names = names.flat_map(|(n, power)| vec![n.clone(); *power as usize]);
                terms.insert(names.collect(), c.over);
            } else {
                rest = rest.plus(&Sum::term(product.clone(), *c));
            }
        }
        if rest != Sum::default() {
            let (quotient, sign) = Quotient::of_sum(&rest);
            terms.insert(vec![quotient.name()], sign);
        }
        Dim(terms)
    }

    /// The sum of two sizes.
    pub fn plus(&self, other: &Dim) -> Dim {
        if self.has_quotients() || other.has_quotients() {
            return Dim::of_sum(&self.sum().plus(&other.sum()));
        }
        let mut terms = self.0.clone();
        for (m, c) in &other.0 {
            let sum: &mut i64 = terms.entry(m.clone()).or_insert(0);
            *sum = sum.saturating_add(*c);
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
        if self.has_quotients() || other.has_quotients() {
            return Dim::of_sum(&self.sum().times(&other.sum()));
        }
        let mut terms: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for (a, x) in &self.0 {
            for (b, y) in &other.0 {
                let mut m = [a.as_slice(), b.as_slice()].concat();
                m.sort();
                let sum = terms.entry(m).or_insert(0);
                *sum = sum.saturating_add(x.saturating_mul(*y));
            }
        }
        terms.retain(|_, c| *c != 0);
        Dim(terms)
    }

    /// The quotient by another size if it is whole by its form alone.
    pub fn divided_by(&self, other: &Dim) -> Option<Dim> {
        let (sum, by) = (self.sum(), other.sum());
        if let Some(quotient) = sum.divided_by(&by) {
            return match whole(&quotient, &[]) {
                true => Some(Dim::of_sum(&quotient)),
                false => self.without(other),
            };
        }
        // A sum times something.
        let (names, c) = by.0.iter().next()?;
        let first = Sum::term(names.clone(), *c);
        let factors = sum.0.iter();
        let mut factors = factors.filter_map(|(n, c)| Sum::term(n.clone(), *c).divided_by(&first));
        let found = factors.find(|f| whole(f, &[]) && f.times(&by) == sum);
        found.map(|f| Dim::of_sum(&f))
    }

    /// The quotient by a product of names that each term has, quotients among them.
    fn without(&self, other: &Dim) -> Option<Dim> {
        let (Some((divisor, by)), 1) = (other.0.iter().next(), other.0.len()) else {
            return None;
        };
        let mut terms = BTreeMap::new();
        for (m, c) in &self.0 {
            let mut rest = m.clone();
            for name in divisor {
                let at = rest.iter().position(|n| n == name)?;
                rest.remove(at);
            }
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
        let parts = ['/', '*', '(', ')', '+', '-', ' '];
        let names = self.0.keys().flatten().flat_map(|n| n.split(parts));
        let mut names: Vec<&str> = names
            .filter(|n| !n.is_empty() && !n.starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// True if it holds a size that no argument shows, such as how many keys a cache had before.
    pub fn is_hidden(&self) -> bool {
        self.names().iter().any(|n| n.ends_with('\''))
    }

    /// True if a number in it is beyond the range of a size.
    pub fn is_too_large(&self) -> bool {
        let beyond = |n: i64| i32::try_from(n).is_err();
        let quotients = self.0.keys().flatten().filter_map(|n| Quotient::of(n));
        self.0.values().any(|c| beyond(*c))
            || quotients
                .into_iter()
                .any(|q| beyond(q.number) || q.of.is_too_large())
    }

    /// The terms: the names multiplied in each, and its coefficient.
    pub fn terms(&self) -> impl Iterator<Item = (&[String], i64)> {
        self.0.iter().map(|(m, c)| (m.as_slice(), *c))
    }
}

/// The two sides of a quotient that is a name: `of / (number * by)`.
pub struct Quotient {
    /// The dividend.
    pub of: Dim,
    /// The names multiplied in the divisor.
    pub by: Vec<String>,
    /// The number in the divisor, 1 or more.
    pub number: i64,
}

impl Quotient {
    /// Reads a name such as `heads/kv_heads` or `(a + b)/(2*c)`; `None` for a plain name.
    pub fn of(name: &str) -> Option<Quotient> {
        let (of, by) = name.split_once('/')?;
        let bare = |side: &str| side.trim_matches(['(', ')']).to_string();
        let (mut dividend, mut sign) = (Dim::default(), 1);
        for word in bare(of).split(' ') {
            match word {
                "+" => sign = 1,
                "-" => sign = -1,
                term => {
                    let term = term
                        .split('*')
                        .fold(Dim::constant(sign), |product, factor| {
                            product.times(&match factor.parse() {
                                Ok(n) => Dim::constant(n),
                                Err(_) => Dim::name(factor),
                            })
                        });
                    dividend = dividend.plus(&term);
                }
            }
        }
        let mut q = Quotient {
            of: dividend,
            by: Vec::new(),
            number: 1,
        };
        for factor in bare(by).split('*') {
            match factor.parse::<i64>() {
                Ok(n) => q.number = n.max(1),
                Err(_) => q.by.push(factor.to_string()),
            }
        }
        Some(q)
    }

    fn sum(&self) -> Sum {
        let by = self.by.iter().fold(Product::new(), |mut all, n| {
            *all.entry(n.clone()).or_insert(0) += 1;
            all
        });
        let by = Sum::term(by, Fraction::whole(self.number));
        self.of.sum().divided_by(&by).unwrap_or_default()
    }

    /// The quotient with the smallest divisor, and its sign.
    fn of_sum(sum: &Sum) -> (Quotient, i64) {
        let (mut number, mut by) = (1i64, Product::new());
        for (product, c) in &sum.0 {
            number = number.saturating_mul(c.under / Fraction::common_whole(number, c.under));
            for (name, power) in product.iter().filter(|(_, power)| **power < 0) {
                let most = by.entry(name.clone()).or_insert(0);
                *most = (*most).max(-power);
            }
        }
        let divisor = Sum::term(by.clone(), Fraction::whole(number));
        let of = Dim::of_sum(&sum.times(&divisor));
        let turned = of.text(false, str::to_string).starts_with('-');
        let by = by.into_iter();
        let q = Quotient {
            of: if turned { of.negated() } else { of },
            by: by.flat_map(|(n, power)| vec![n; power as usize]).collect(),
            number,
        };
        (q, if turned { -1 } else { 1 })
    }

    fn name(&self) -> String {
        let number = (self.number != 1).then(|| self.number.to_string());
        let by: Vec<&str> = number.iter().chain(&self.by).map(String::as_str).collect();
        let (of, sides) = (self.of.to_string(), by.join("*"));
        let of = if self.of.0.len() > 1 {
            format!("({of})")
        } else {
            of
        };
        match by.len() {
            1 => format!("{of}/{sides}"),
            _ => format!("{of}/({sides})"),
        }
    }

    /// The divisor as a size.
    pub fn divisor(&self) -> Dim {
        let start = Dim::constant(self.number);
        self.by
            .iter()
            .fold(start, |all, n| all.times(&Dim::name(n)))
    }

    /// The same quotient of other sizes, if the divisor stays a product.
    fn substitute(&self, map: &BTreeMap<String, Dim>) -> Option<Dim> {
        let (of, by) = (self.of.substitute(map), self.divisor().substitute(map));
        let quotient = of.sum().divided_by(&by.sum());
        let found = quotient.map(|q| Dim::of_sum(&q));
        found.or_else(|| of.divided_by(&by))
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
            // A quotient comes last, where what divides it cannot be taken to divide all.
            let (last, first): (Vec<&String>, Vec<&String>) =
                m.iter().partition(|n| n.contains('/'));
            let factors: Vec<String> = first.into_iter().chain(last).map(|n| name(n)).collect();
            out += &match (m.is_empty(), c.abs()) {
                (true, n) => n.to_string(),
                (false, 1) => factors.join("*"),
                (false, n) => format!("{n}*{}", factors.join("*")),
            };
        }
        out
    }
}

/// The field for a dim, of the config or of a config inside of it; a keyword becomes a raw identifier.
pub fn config_field(name: &str, at: Span) -> TokenStream {
    let parts = name.split('.').map(|part| {
        let mut part =
            syn::parse_str(part).unwrap_or_else(|_| Ident::new_raw(part, Span::call_site()));
        part.set_span(at);
        part
    });
    quote! { #(#parts).* }
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
        let twice = sum.times(&Dim::constant(2));
        assert_eq!(twice.divided_by(&sum), Some(Dim::constant(2)));
    }

    #[test]
    fn quotients_have_one_form() {
        let of = |name: &str| Dim::name(name);
        let half = of("d/2");
        assert_eq!(half.times(&Dim::constant(2)), n("d"));
        assert_eq!(half.plus(&half), n("d"));
        assert_eq!(half.times(&Dim::constant(3)).to_string(), "3*d/2");
        assert_eq!(n("d").plus(&half.negated()), half);
        assert_eq!(
            half.times(&half).times(&Dim::constant(4)),
            n("d").times(&n("d"))
        );
        let group = of("heads/kv");
        assert_eq!(
            group.times(&n("kv")).times(&n("d")),
            n("heads").times(&n("d"))
        );
        assert_eq!(n("heads").divided_by(&group), Some(n("kv")));
        let sum = of("(k + w)/(2*heads)");
        assert_eq!(sum.names(), ["heads", "k", "w"]);
        assert_eq!(sum.times(&n("heads")).to_string(), "(k + w)/2");
        assert_eq!(n("a").plus(&of("(a - b)/2")).to_string(), "(3*a - b)/2");
        assert_eq!(n("a").plus(&of("b/2").negated()).to_string(), "a - b/2");
        let bound = BTreeMap::from([("heads".to_string(), n("kv").times(&n("g")))]);
        assert_eq!(group.substitute(&bound), n("g"));
    }
}
