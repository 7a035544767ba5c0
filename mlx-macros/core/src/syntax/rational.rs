//! Sizes as sums of products with rational coefficients and negative powers, so that a quotient has one form:
//! `2 * (d / 2)` is `d`, and `d / 2 / 2` is `d / 4`.
//!
//! A quotient of sizes is whole where a size is made of whole quotients: [`whole`] decides it for what a model requires.
//!
//! Tests: unit tests of `dims.rs`; `tests/sizes.rs`.

use std::collections::BTreeMap;

/// The facts that one proof may combine.
const MOST_STEPS: usize = 5;

/// A fraction in lowest terms with a positive denominator; beyond 64 bits it saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    pub over: i64,
    pub under: i64,
}

fn gcd(a: i128, b: i128) -> i128 {
    match b {
        0 => a.abs(),
        b => gcd(b, a % b),
    }
}

impl Fraction {
    pub const ONE: Fraction = Fraction { over: 1, under: 1 };

    pub fn whole(n: i64) -> Self {
        Fraction { over: n, under: 1 }
    }

    /// `over / under`; `under` is not 0.
    fn of(over: i128, under: i128) -> Self {
        let common = gcd(over, under).max(1) * under.signum();
        let saturated =
            |n: i128| i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX });
        Fraction {
            over: saturated(over / common),
            under: saturated(under / common),
        }
    }

    /// `over / under`; `under` is 1 or more.
    pub fn of_numbers(over: i64, under: i64) -> Self {
        Fraction::of(over.into(), under.max(1).into())
    }

    fn plus(self, other: Fraction) -> Self {
        let (a, b) = (i128::from(self.over), i128::from(self.under));
        let (c, d) = (i128::from(other.over), i128::from(other.under));
        Fraction::of((a * d).saturating_add(c * b), b * d)
    }

    pub fn times(self, other: Fraction) -> Self {
        Fraction::of(
            i128::from(self.over) * i128::from(other.over),
            i128::from(self.under) * i128::from(other.under),
        )
    }

    /// `1 / self`, of anything but 0.
    fn inverse(self) -> Self {
        Fraction::of(self.under.into(), self.over.into())
    }

    /// The largest fraction of which both are whole multiples.
    fn common(self, other: Fraction) -> Self {
        let (a, b) = (i128::from(self.over), i128::from(self.under));
        let (c, d) = (i128::from(other.over), i128::from(other.under));
        Fraction::of(gcd(a * d, c * b), b * d)
    }

    /// The greatest number that divides both.
    pub fn common_whole(a: i64, b: i64) -> i64 {
        i64::try_from(gcd(a.into(), b.into())).unwrap_or(1).max(1)
    }

    /// The greatest whole number that is no larger.
    pub fn floor(self) -> i64 {
        self.over.div_euclid(self.under)
    }
}

/// Names and their powers, which are not 0.
pub(super) type Product = BTreeMap<String, i32>;

fn multiplied(a: &Product, b: &Product, power: i32) -> Product {
    let mut all = a.clone();
    for (name, n) in b {
        *all.entry(name.clone()).or_insert(0) += n * power;
    }
    all.retain(|_, n| *n != 0);
    all
}

/// A sum of products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum(pub BTreeMap<Product, Fraction>);

impl Sum {
    pub fn constant(c: Fraction) -> Self {
        Sum::term(Product::new(), c)
    }

    pub fn term(names: Product, c: Fraction) -> Self {
        match c.over {
            0 => Sum::default(),
            _ => Sum(BTreeMap::from([(names, c)])),
        }
    }

    pub fn plus(&self, other: &Sum) -> Self {
        let mut all = self.0.clone();
        for (names, c) in &other.0 {
            let old = all.get(names).copied().unwrap_or(Fraction::whole(0));
            all.insert(names.clone(), old.plus(*c));
        }
        all.retain(|_, c| c.over != 0);
        Sum(all)
    }

    pub fn minus(&self, other: &Sum) -> Self {
        self.plus(&other.scaled(Fraction::whole(-1)))
    }

    pub fn scaled(&self, by: Fraction) -> Self {
        self.times(&Sum::constant(by))
    }

    pub fn times(&self, other: &Sum) -> Self {
        let mut all = Sum::default();
        for (a, x) in &self.0 {
            for (b, y) in &other.0 {
                all = all.plus(&Sum::term(multiplied(a, b, 1), x.times(*y)));
            }
        }
        all
    }

    /// The quotient by a sum of one term; `None` of any other.
    pub fn divided_by(&self, other: &Sum) -> Option<Self> {
        let (by, c) = other.single()?;
        let all = self.0.iter();
        let all = all.map(|(names, x)| (multiplied(names, by, -1), x.times(c.inverse())));
        Some(Sum(all.collect()))
    }

    /// The only term, if there is one.
    pub fn single(&self) -> Option<(&Product, Fraction)> {
        match self.0.len() {
            1 => self.0.iter().next().map(|(names, c)| (names, *c)),
            _ => None,
        }
    }

    /// The coefficient without a name.
    pub fn number(&self) -> Fraction {
        let none = Product::new();
        self.0.get(&none).copied().unwrap_or(Fraction::whole(0))
    }
}

/// True if a sum is whole whenever its names and all of `known` are.
///
/// A yes is a proof: the sum is written as a sum of products of names and of `known`, with whole factors. A no is a
/// proof that was not found within [`MOST_STEPS`].
pub(super) fn whole(sum: &Sum, known: &[Sum]) -> bool {
    reduced(sum, known, MOST_STEPS)
}

fn reduced(sum: &Sum, known: &[Sum], steps: usize) -> bool {
    let open = sum
        .0
        .iter()
        .filter(|(names, c)| !whole_term(names, **c, known));
    let open = Sum(open.map(|(names, c)| (names.clone(), *c)).collect());
    let Some((names, c)) = open.0.iter().next() else {
        return true;
    };
    // Some multiple of a known sum has this term, and the rest is whole too.
    steps > 0
        && known.iter().filter(|k| k.0.len() > 1).any(|k| {
            k.0.iter().any(|(own, d)| {
                let (factor, times) = (multiplied(names, own, -1), c.times(d.inverse()));
                whole_term(&factor, times, known)
                    && reduced(
                        &open.minus(&k.times(&Sum::term(factor, times))),
                        known,
                        steps - 1,
                    )
            })
        })
}

/// True if a product is whole by the names and the known products in it.
fn whole_term(names: &Product, c: Fraction, known: &[Sum]) -> bool {
    let products: Vec<(&Product, Fraction)> = known.iter().filter_map(Sum::single).collect();
    let unit = unit(names, &products, MOST_STEPS);
    unit.is_some_and(|unit| c.times(unit.inverse()).under == 1)
}

/// The largest number of which every whole multiple, times `names`, is whole.
fn unit(names: &Product, known: &[(&Product, Fraction)], steps: usize) -> Option<Fraction> {
    let plain = names.values().all(|n| *n > 0).then_some(Fraction::ONE);
    if steps == 0 {
        return plain;
    }
    known.iter().enumerate().fold(plain, |best, (i, (own, c))| {
        let rest = unit(&multiplied(names, own, -1), &known[i..], steps - 1);
        match (best, rest.map(|r| r.times(*c))) {
            (Some(a), Some(b)) => Some(a.common(b)),
            (a, b) => a.or(b),
        }
    })
}
