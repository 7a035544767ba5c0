//! Symbolic sizes: polynomials with integer coefficients over named dims, kept in a normal form
//! so that equal sizes compare equal however they were written.

use std::collections::BTreeMap;
use std::fmt;

/// A size such as `B`, `heads*head_dim` or `2*ffn + 1`.
///
/// Names that begin with a capital are free: a call binds them. Others are read from the config.
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

    /// Whether this is the number one, the size that broadcasts.
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
                let mut m = [a.as_slice(), b.as_slice()].concat();
                m.sort();
                let sum = terms.entry(m).or_insert(0);
                *sum = sum.saturating_add(x.saturating_mul(*y));
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
                let factor = map.get(name).cloned().unwrap_or_else(|| Dim::name(name));
                product = product.times(&factor);
            }
            sum = sum.plus(&product);
        }
        sum
    }

    /// The names in it, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The terms: the names multiplied in each, and its coefficient.
    pub fn terms(&self) -> impl Iterator<Item = (&[String], i64)> {
        self.0.iter().map(|(m, c)| (m.as_slice(), *c))
    }
}

/// Whether a dim's name is bound by the call rather than by the config.
pub fn is_free(name: &str) -> bool {
    name.starts_with(|c: char| c.is_uppercase())
}

/// The product of all sizes of a shape.
pub fn volume(shape: &[Dim]) -> Dim {
    shape.iter().fold(Dim::constant(1), |v, d| v.times(d))
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        // The constant comes last, as people write it.
        let (names, number): (Vec<_>, Vec<_>) = self.0.iter().partition(|(m, _)| !m.is_empty());
        for (i, (m, c)) in names.into_iter().chain(number).enumerate() {
            let sign = match (i, *c < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            f.write_str(sign)?;
            match (m.is_empty(), c.abs()) {
                (true, n) => write!(f, "{n}")?,
                (false, 1) => f.write_str(&m.join("*"))?,
                (false, n) => write!(f, "{n}*{}", m.join("*"))?,
            }
        }
        Ok(())
    }
}

/// Short names for sizes that a model gave a name to (`q` for `heads*head_dim`).
#[derive(Clone, Debug, Default)]
pub struct Names(pub BTreeMap<String, Dim>);

impl Names {
    /// A size in the user's words.
    pub fn dim(&self, d: &Dim) -> String {
        match self.0.iter().find(|(_, v)| *v == d) {
            Some((name, _)) if d.as_name().is_none() => name.clone(),
            _ => d.to_string(),
        }
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

    #[test]
    fn named_sizes_print_by_their_name() {
        let q = n("heads").times(&n("head_dim"));
        let names = Names(BTreeMap::from([("q".to_string(), q.clone())]));
        assert_eq!(names.shape(&[n("B"), q]), "[B, q]");
    }
}
