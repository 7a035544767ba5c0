//! Decides if conditions on the config can hold together, and which sizes they order.
//!
//! It combines linear arithmetic, remainders, and flags. An undecided condition counts
//! as possible.
//!
//! Tests: unit tests below.

use std::collections::{BTreeMap, BTreeSet};

use syn::{BinOp, Expr, Lit, UnOp};

use crate::syntax::alternatives::{branches, product, Literal, MOST_BRANCHES};
use crate::syntax::condition::{bare, text};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::linear::{empty, of_sum, Linear, Row};
use crate::syntax::rational::{whole, Fraction, Product, Sum};

/// Remainders of larger divisors are not tried one by one.
const MOST_RESTS: i64 = 64;

/// Conditions that hold together.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Their alternatives: one of these conjunctions holds.
    branches: Vec<Vec<Literal>>,
    /// The names that are whole numbers of 1 or more.
    sizes: BTreeSet<String>,
    /// The names that are whole numbers.
    integers: BTreeSet<String>,
    /// Whole numbers of 0 or more.
    naturals: BTreeSet<String>,
    /// Quotients that are whole.
    quotients: Vec<Sum>,
}

impl Default for Facts {
    fn default() -> Self {
        Facts::new(BTreeSet::new(), BTreeSet::new())
    }
}

impl Facts {
    /// No condition yet; `sizes` are names of whole numbers of 1 or more, `integers` of any.
    pub fn new(sizes: BTreeSet<String>, integers: BTreeSet<String>) -> Self {
        Facts {
            branches: vec![vec![]],
            sizes,
            integers,
            naturals: BTreeSet::from(["layer".to_string()]),
            quotients: vec![],
        }
    }

    /// These facts and a condition that holds, or does not.
    pub fn and(&self, condition: &Expr, holds: bool) -> Self {
        let more = branches(condition, holds);
        let both = self.branches.len() * more.len();
        let mut all = self.clone();
        if both <= MOST_BRANCHES {
            all.branches = product(&self.branches, &more);
        }
        all.learn(condition, holds);
        all
    }

    /// Keeps the quotients that a condition says to be whole: `a % b == 0`.
    pub fn learn(&mut self, e: &Expr, holds: bool) {
        match bare(e) {
            Expr::Unary(u) if matches!(u.op, UnOp::Not(_)) => self.learn(&u.expr, !holds),
            Expr::Binary(b) => match (b.op, holds) {
                (BinOp::And(_), true) | (BinOp::Or(_), false) => {
                    self.learn(&b.left, holds);
                    self.learn(&b.right, holds);
                }
                (BinOp::Eq(_), true) | (BinOp::Ne(_), false) => {
                    let found = self.quotient(&b.left, &b.right);
                    let found = found.or_else(|| self.quotient(&b.right, &b.left));
                    if let Some(q) = found.filter(|q| !whole(q, &self.quotients)) {
                        self.quotients.push(q);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The quotient that is whole because `remainder` is `rest`.
    fn quotient(&self, remainder: &Expr, rest: &Expr) -> Option<Sum> {
        let rest = self.size(rest)?;
        let number = rest.number();
        if Sum::constant(number) != rest || number.over < 0 || number.under != 1 {
            return None;
        }
        match bare(remainder) {
            Expr::Binary(b) if matches!(b.op, BinOp::Rem(_)) => {
                let (of, by) = (self.size(&b.left)?, self.size(&b.right)?);
                of.minus(&rest).divided_by(&by)
            }
            _ => None,
        }
    }

    /// A number of the config that is made of whole ones.
    fn size(&self, e: &Expr) -> Option<Sum> {
        match bare(e) {
            Expr::Lit(l) => match &l.lit {
                Lit::Int(i) => {
                    let n = i.base10_parse::<i32>().ok()?;
                    Some(Sum::constant(Fraction::whole(n.into())))
                }
                _ => None,
            },
            name @ (Expr::Path(_) | Expr::Field(_)) => {
                Some(Sum::term(Product::from([(text(name), 1)]), Fraction::ONE))
            }
            Expr::Binary(b) => {
                let (l, r) = (self.size(&b.left)?, self.size(&b.right)?);
                match b.op {
                    BinOp::Add(_) => Some(l.plus(&r)),
                    BinOp::Sub(_) => Some(l.minus(&r)),
                    BinOp::Mul(_) => Some(l.times(&r)),
                    BinOp::Div(_) => l.divided_by(&r).filter(|q| whole(q, &self.quotients)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The whole quotient of two sizes, if it is one by its form or by what is known.
    pub fn divide(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        a.divided_by(b).or_else(|| {
            let quotient = a.sum().divided_by(&b.sum())?;
            whole(&quotient, &self.quotients).then(|| Dim::of_sum(&quotient))
        })
    }

    /// As [`Facts::divide`]; sizes that a call binds are left to the call.
    pub fn divide_open(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        self.divide(a, b).or_else(|| {
            let quotient = a.sum().divided_by(&b.sum())?;
            let mut known = quotient.clone();
            known.0.retain(|names, _| !names.keys().any(|n| is_free(n)));
            whole(&known, &self.quotients).then(|| Dim::of_sum(&quotient))
        })
    }

    /// The quotient of two sizes rounded down, where it is known.
    pub fn floor_div(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        if let Some(exact) = self.divide(a, b) {
            return Some(exact);
        }
        // A number is cut off; all else must divide.
        let by = b.as_constant().filter(|n| (1..=MOST_RESTS).contains(n))?;
        let quotient = a.sum().divided_by(&b.sum())?;
        let number = quotient.number();
        let rest = quotient.minus(&Sum::constant(number));
        if whole(&rest, &self.quotients) {
            return Some(Dim::of_sum(&rest).plus(&Dim::constant(number.floor())));
        }
        // A remainder that is known: (d - 1)/2 where d is odd.
        let each = (1..by).map(|n| Sum::constant(Fraction::of_numbers(n, by)));
        let mut floors = each.map(|part| quotient.minus(&part));
        let floor = floors.find(|f| whole(f, &self.quotients))?;
        Some(Dim::of_sum(&floor))
    }

    /// True if a condition holds wherever these facts do.
    pub fn imply(&self, condition: &Expr) -> bool {
        self.and(condition, false).contradict()
    }

    /// These facts, where an optional field is there.
    pub fn with(&self, field: &str) -> Self {
        let mut all = self.clone();
        for branch in &mut all.branches {
            branch.push(Literal::Flag(format!("{field}.is_some()"), true));
        }
        all
    }

    /// The config that holds a size, if that config is optional and known to be there.
    pub fn holder<'n>(&self, size: &'n str) -> Option<(&'n str, &'n str)> {
        let (holder, field) = size.rsplit_once('.')?;
        self.is_there(holder).then_some((holder, field))
    }

    /// These facts, where a name counts from 0.
    pub fn counted(&self, name: &str) -> Self {
        let mut all = self.clone();
        all.naturals.insert(name.to_string());
        all
    }

    /// True if an optional field is known to be there.
    pub fn is_there(&self, field: &str) -> bool {
        let flag = format!("{field}.is_some()");
        let mentioned = |b: &Vec<Literal>| {
            b.iter()
                .any(|l| matches!(l, Literal::Flag(f, _) if *f == flag))
        };
        self.branches.iter().all(|branch| {
            let absent = || {
                let mut with = branch.clone();
                with.push(Literal::Flag(flag.clone(), false));
                with
            };
            match mentioned(branch) {
                true => self.impossible(&absent()),
                false => self.impossible(branch),
            }
        })
    }

    /// True if they contradict each other.
    pub fn contradict(&self) -> bool {
        self.branches.iter().all(|b| self.impossible(b))
    }

    /// The value of a condition, if the facts decide it.
    pub fn decide(&self, condition: &Expr) -> Option<bool> {
        if self.contradict() {
            return None;
        }
        match (
            self.and(condition, true).contradict(),
            self.and(condition, false).contradict(),
        ) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => None,
        }
    }

    /// True if a size is known to be no more than another; what a call binds is left to the call.
    pub fn bounded(&self, a: &Dim, b: &Dim) -> bool {
        let open = |n: &&str| is_free(n) || n.ends_with('\'');
        a.names().iter().chain(&b.names()).any(open) || self.at_most(a, b)
    }

    /// True if a size is known to be no more than another. All names in both are whole numbers of 1
    /// or more.
    pub fn at_most(&self, a: &Dim, b: &Dim) -> bool {
        let over = a.plus(&b.negated()).plus(&Dim::constant(-1)).sum();
        let mut with = self.clone();
        let names = over.0.keys().flat_map(|product| product.keys().cloned());
        with.sizes.extend(names);
        let over = of_sum(&over);
        // Anything would follow.
        if with.contradict() {
            return false;
        }
        for branch in &mut with.branches {
            branch.push(Literal::Above(over.clone(), false));
        }
        with.contradict()
    }

    fn impossible(&self, all: &[Literal]) -> bool {
        flags(all) || self.rests(all) || self.sums(all)
    }

    /// True if all names of a product are whole numbers of 1 or more.
    fn of_sizes(&self, product: &str) -> bool {
        product
            .split(['*', '/'])
            .all(|f| f == "1" || self.sizes.contains(f))
    }

    /// True if a name is a whole number.
    fn is_whole(&self, name: &str) -> bool {
        [&self.sizes, &self.integers, &self.naturals]
            .iter()
            .any(|s| s.contains(name))
    }

    /// True if each name is a whole number of 0 or more, and so is the sum.
    fn counts(&self, l: &Linear) -> bool {
        let of_counts = |(name, c): (&String, &f64)| {
            let count = |n: &str| self.sizes.contains(n) || self.naturals.contains(n);
            *c >= 0.0 && name.split('*').all(count)
        };
        self.whole(l) && l.constant >= 0.0 && l.terms.iter().all(of_counts)
    }

    fn whole(&self, l: &Linear) -> bool {
        l.constant.fract() == 0.0
            && l.terms
                .iter()
                .all(|(name, c)| c.fract() == 0.0 && name.split('*').all(|n| self.is_whole(n)))
    }

    /// A sum above zero; of whole numbers it is 1 or more.
    fn row(&self, l: &Linear, strict: bool) -> Row {
        match strict && self.whole(l) {
            true => (l.plus(&Linear::number(-1.0)), false),
            false => (l.clone(), strict),
        }
    }

    /// True if the inequalities have no solution.
    fn sums(&self, all: &[Literal]) -> bool {
        let mut rows: Vec<Row> = Vec::new();
        for literal in all {
            match literal {
                Literal::Above(l, strict) => rows.push(self.row(l, *strict)),
                Literal::Zero(l) => {
                    rows.push((l.clone(), false));
                    rows.push((l.times(-1.0), false));
                }
                Literal::Multiple(l) if l.terms.keys().all(|n| self.of_sizes(n)) => {
                    rows.push((l.clone(), false));
                }
                _ => {}
            }
        }
        // A quotient of sizes that is whole is 1 or more.
        let positive = |q: &&Sum| q.0.values().all(|c| c.over > 0);
        for quotient in self.quotients.iter().filter(positive) {
            let one = of_sum(&quotient.minus(&Sum::constant(Fraction::ONE)));
            if one.terms.keys().all(|n| self.of_sizes(n)) {
                rows.push((one, false));
            }
        }
        let names: BTreeSet<String> = rows
            .iter()
            .flat_map(|(l, _)| l.terms.keys().cloned())
            .collect();
        // A quotient obeys what its dividend does: `2 * g <= e` is `2 <= e / g`.
        for (_, by) in names.iter().filter_map(|n| n.split_once('/')) {
            let divided = rows
                .iter()
                .filter_map(|(l, strict)| Some((self.divided(l, by)?, *strict)));
            let divided: Vec<Row> = divided.collect();
            rows.extend(divided);
        }
        for name in &names {
            rows.extend(self.bounds(name));
        }
        if empty(rows.clone()) {
            return true;
        }
        // A sum that is not zero is above or below it.
        all.iter().any(|literal| {
            let Literal::NotZero(l) = literal else {
                return false;
            };
            let side = |l: Linear| {
                let mut rows = rows.clone();
                rows.push(self.row(&l, true));
                empty(rows)
            };
            side(l.clone()) && side(l.times(-1.0))
        })
    }

    /// A sum of products of sizes, divided by one of them, where each product but the quotient's dividend has it.
    fn divided(&self, l: &Linear, by: &str) -> Option<Linear> {
        if l.constant != 0.0 || by.contains('*') || !l.terms.keys().all(|n| self.of_sizes(n)) {
            return None;
        }
        let mut all = Linear::default();
        for (name, c) in &l.terms {
            let mut factors: Vec<&str> = name.split('*').collect();
            let part = match factors.iter().position(|f| *f == by) {
                Some(_) if name.contains('/') => return None,
                Some(_) if factors.len() == 1 => Linear::number(1.0),
                Some(at) => {
                    factors.remove(at);
                    Linear::name(&factors.join("*"))
                }
                None if name.contains('/') => return None,
                None => Linear::name(&format!("{name}/{by}")),
            };
            all = all.plus(&part.times(*c));
        }
        Some(all)
    }

    /// The bounds that the form of a product of names implies.
    fn bounds(&self, name: &str) -> Vec<Row> {
        let own = || Linear::name(name);
        if self.naturals.contains(name) && !self.sizes.contains(name) {
            return vec![(own(), false)];
        }
        if !self.of_sizes(name) {
            return vec![];
        }
        let less = |of: &str| (Linear::name(of).plus(&own().times(-1.0)), false);
        match name.split_once('/') {
            // A quotient is no more than its dividend.
            Some(("1", _)) => vec![
                (own(), true),
                (Linear::number(1.0).plus(&own().times(-1.0)), false),
            ],
            Some((of, _)) => vec![(own(), true), less(of)],
            None => {
                let factors = name.split('*').filter(|f| *f != name);
                let more = factors.map(|f| (own().plus(&Linear::name(f).times(-1.0)), false));
                let one = own().plus(&Linear::number(-1.0));
                std::iter::once((one, false)).chain(more).collect()
            }
        }
    }

    /// True if two remainders of one sum differ, or one differs from the sum's value.
    fn rests(&self, all: &[Literal]) -> bool {
        let of = |l: &Literal| match l {
            Literal::Rest(l, m, r, equal) => Some((l.clone(), *m, *r, *equal)),
            _ => None,
        };
        let rests: Vec<_> = all.iter().filter_map(of).collect();
        let value = |l: &Linear| {
            all.iter().find_map(|known| {
                let Literal::Zero(zero) = known else {
                    return None;
                };
                let rest = l.plus(&zero.times(-1.0));
                let other = l.plus(zero);
                [rest, other]
                    .into_iter()
                    .find(|r| r.terms.is_empty())
                    .map(|r| r.constant)
            })
        };
        // Some remainder is left.
        let none_left = rests.iter().any(|(a, m, _, _)| {
            let no = |r: i64| {
                let is = |(b, n, s, equal): &(Linear, i64, i64, bool)| {
                    b == a && n == m && *s == r && !equal
                };
                rests.iter().any(is)
            };
            *m <= MOST_RESTS && self.counts(a) && (0..*m).all(no)
        });
        none_left
            || rests.iter().enumerate().any(|(i, (a, m, r, equal))| {
                if !(0..*m).contains(r) {
                    return *equal && self.counts(a);
                }
                let differs = value(a).is_some_and(|v| {
                    v.fract() == 0.0 && (v.rem_euclid(*m as f64) == *r as f64) != *equal
                });
                differs
                    || rests[..i].iter().any(|(b, n, s, other)| {
                        a == b
                            && match (equal, other) {
                                (true, true) => (r - s).rem_euclid(gcd(*m, *n)) != 0,
                                (true, false) => m % n == 0 && r.rem_euclid(*n) == *s,
                                (false, true) => n % m == 0 && s.rem_euclid(*m) == *r,
                                (false, false) => false,
                            }
                    })
            })
    }
}

/// True if a flag is both set and not, or a choice two values.
fn flags(all: &[Literal]) -> bool {
    let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
    let mut is: BTreeMap<&str, &str> = BTreeMap::new();
    let choices = all.iter().filter_map(|l| match l {
        Literal::Choice(name, value, equal) => Some((name, value, *equal)),
        _ => None,
    });
    let two = choices
        .clone()
        .filter(|(.., equal)| *equal)
        .any(|(name, value, _)| is.insert(name, value).is_some_and(|v| v != value));
    let denied = choices
        .filter(|(.., equal)| !equal)
        .any(|(name, value, _)| is.get(name.as_str()) == Some(&value.as_str()));
    two || denied
        || all.iter().any(|l| match l {
            Literal::Flag(name, set) => *seen.entry(name).or_insert(*set) != *set,
            _ => false,
        })
}

fn gcd(a: i64, b: i64) -> i64 {
    match b {
        0 => a.abs().max(1),
        b => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(all: &[&str]) -> Facts {
        let sizes = ["a", "b", "c", "heads", "kv"].map(String::from);
        let integers = BTreeSet::from(["n".to_string()]);
        let none = Facts::new(sizes.into_iter().collect(), integers);
        all.iter()
            .fold(none, |f, s| f.and(&syn::parse_str(s).unwrap(), true))
    }

    #[test]
    fn conditions_that_cannot_hold_together() {
        for all in [
            &["a % 2 == 0", "a % 2 == 1"][..],
            &["a < b", "b < a"],
            &["a < b", "b < c", "c <= a"],
            &["a == 3", "a == 4"],
            &["a == 3", "a % 2 == 0"],
            &["a == 3", "a != 3"],
            &["x == 0.5", "x > 1"],
            &["a > 3", "a < 4"],
            &["a > 3 && a < 4"],
            &["a < 1"],
            &["a + b == 1"],
            &["flag", "!flag"],
            &["flag == true", "flag == false"],
            &["w.is_some()", "w.is_none()"],
            &["flag || other", "!flag", "!other"],
            &["a % 4 == 0", "a % 6 == 3"],
            &["(a + 1) % 2 == 2"],
            &["layer % 3 == -1"],
            &["layer < 0"],
            &["(a + 1) % 2 == 0", "a % 2 == 0"],
            &["a * b > 8", "a * b < 4"],
            &["false"],
        ] {
            assert!(facts(all).contradict(), "{all:?}");
        }
    }

    #[test]
    fn conditions_that_can() {
        for all in [
            &["a % 2 == 0", "a % 3 == 1"][..],
            &["a < b", "b <= c", "c > a"],
            &["a >= 3", "a <= 3", "a % 3 == 0"],
            &["x > 3", "x < 4"],
            &["flag", "!other", "a != b"],
            &["flag || !flag"],
            &["w.is_some() || a == 1", "w.is_none()"],
            &["heads % kv == 0", "a / b == 2", "a % 2 == 1"],
            &["x == 1e300", "y > x * 1e300"],
            &["x % 2 == -1"],
            &["(a - 4) % 2 == -1"],
            &["layer == 0"],
        ] {
            assert!(!facts(all).contradict(), "{all:?}");
        }
    }

    #[test]
    fn sizes_in_order() {
        let n = Dim::name;
        let f = facts(&["a <= b", "heads % kv == 0"]);
        assert!(f.at_most(&n("a"), &n("b")));
        assert!(f.at_most(&n("kv"), &n("heads")));
        assert!(f.at_most(&Dim::constant(1), &n("a")));
        assert!(f.at_most(&n("a"), &n("a").times(&n("c"))));
        assert!(f.at_most(&n("a"), &n("b").plus(&n("c"))));
        assert!(!f.at_most(&Dim::constant(2), &n("a")));
        assert!(!f.at_most(&n("b"), &n("a")));
        assert!(!f.at_most(&n("b"), &n("a").plus(&Dim::constant(1))));
    }

    #[test]
    fn what_is_decided() {
        let e = |s: &str| syn::parse_str::<Expr>(s).unwrap();
        let f = facts(&["flag", "a > 4"]);
        assert_eq!(f.decide(&e("config.flag")), Some(true));
        assert_eq!(f.decide(&e("config.a < 3 || !config.flag")), Some(false));
        assert_eq!(f.decide(&e("a > 5")), None);
        assert_eq!(f.decide(&e("a == a")), Some(true));
    }
}
