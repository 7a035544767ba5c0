//! Linear inequalities over names: Fourier-Motzkin elimination decides if some have no solution.
//!
//! Tests: `logic.rs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::syntax::rational::{Fraction, Product, Sum};

/// Inequalities beyond this number are not looked at.
const MOST_ROWS: usize = 256;

/// A sum of names, each times a number, and a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Linear {
    pub terms: BTreeMap<String, f64>,
    pub constant: f64,
}

impl Linear {
    pub fn number(n: f64) -> Self {
        Linear {
            terms: BTreeMap::new(),
            constant: n,
        }
    }

    pub fn name(name: &str) -> Self {
        Linear {
            terms: BTreeMap::from([(name.to_string(), 1.0)]),
            constant: 0.0,
        }
    }

    pub fn plus(&self, other: &Linear) -> Self {
        let mut sum = self.clone();
        sum.constant += other.constant;
        for (name, c) in &other.terms {
            *sum.terms.entry(name.clone()).or_insert(0.0) += c;
        }
        sum.terms.retain(|_, c| *c != 0.0);
        sum
    }

    pub fn times(&self, n: f64) -> Self {
        let mut all = self.clone();
        all.constant *= n;
        all.terms.values_mut().for_each(|c| *c *= n);
        all.terms.retain(|_, c| *c != 0.0);
        all
    }

    /// The product of two sums, as names of products.
    pub fn product(&self, other: &Linear) -> Self {
        let mut all = Linear::number(self.constant * other.constant);
        for (name, c) in &other.terms {
            all = all.plus(&Linear::name(name).times(c * self.constant));
        }
        for (a, c) in &self.terms {
            all = all.plus(&Linear::name(a).times(c * other.constant));
            for (b, d) in &other.terms {
                let mut factors: Vec<&str> = a.split('*').chain(b.split('*')).collect();
                factors.sort_unstable();
                all = all.plus(&Linear::name(&factors.join("*")).times(c * d));
            }
        }
        all
    }
}

/// A sum times the smallest number that makes its coefficients whole.
pub(super) fn of_sum(sum: &Sum) -> Linear {
    let scale = sum.0.values().fold(1i64, |all, c| {
        all.saturating_mul(c.under / Fraction::common_whole(all, c.under))
    });
    let mut all = Linear::default();
    for (names, c) in &sum.0 {
        let c = c.times(Fraction::whole(scale));
        let of = product_name(names, 1);
        let by = product_name(names, -1);
        let term = match (of.is_empty(), by.is_empty()) {
            (true, true) => Linear::number(1.0),
            (false, true) => Linear::name(&of),
            (true, false) => Linear::name(&format!("1/{by}")),
            (false, false) => Linear::name(&format!("{of}/{by}")),
        };
        all = all.plus(&term.times(c.over as f64 / c.under as f64));
    }
    all
}

/// The names with powers of that sign, each as often as its power says.
fn product_name(names: &Product, sign: i32) -> String {
    let powers = names.iter().map(|(n, power)| (n, power * sign));
    let all = powers.flat_map(|(n, power)| vec![n.as_str(); power.max(0) as usize]);
    all.collect::<Vec<_>>().join("*")
}

/// A sum that is at least zero, or above it.
pub(super) type Row = (Linear, bool);

/// True if no numbers fulfil all rows.
pub(super) fn empty(mut rows: Vec<Row>) -> bool {
    loop {
        let wrong = |(l, strict): &Row| {
            l.terms.is_empty() && (l.constant < -1e-9 || (*strict && l.constant <= 0.0))
        };
        if rows.iter().any(wrong) {
            return true;
        }
        let names: BTreeSet<&String> = rows.iter().flat_map(|(l, _)| l.terms.keys()).collect();
        let cost = |name: &String| {
            let sign = |l: &Linear| l.terms.get(name).copied().unwrap_or(0.0);
            let (up, down) = rows.iter().fold((0usize, 0usize), |(u, d), (l, _)| {
                (
                    u + usize::from(sign(l) > 0.0),
                    d + usize::from(sign(l) < 0.0),
                )
            });
            up * down
        };
        let Some(name) = names.into_iter().min_by_key(|n| cost(n)).cloned() else {
            return false;
        };
        let (with, mut left): (Vec<Row>, Vec<Row>) = rows
            .into_iter()
            .partition(|(l, _)| l.terms.contains_key(&name));
        let (up, down): (Vec<Row>, Vec<Row>) =
            with.into_iter().partition(|(l, _)| l.terms[&name] > 0.0);
        for (a, s) in &up {
            for (b, t) in &down {
                let (x, y) = (a.terms[&name], -b.terms[&name]);
                let mut sum = a.times(1.0 / x).plus(&b.times(1.0 / y));
                sum.terms.remove(&name);
                left.push((sum, *s || *t));
            }
        }
        if left.len() > MOST_ROWS {
            return false;
        }
        rows = left;
    }
}
