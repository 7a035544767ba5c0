//! Sizes with quotients against numbers: whatever is said to be whole, equal or in order is so for every binding that
//! fulfils the requirements. What is not said although all small bindings agree is printed, for review.

use std::collections::BTreeMap;

use mlx_macros_core::syntax::dims::{Dim, Quotient};
use mlx_macros_core::syntax::logic::Facts;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

type Binding = BTreeMap<String, i64>;

/// A size as it is written.
#[derive(Clone, Debug)]
enum Size {
    Name(usize),
    Number(i64),
    Plus(Box<Size>, Box<Size>),
    Minus(Box<Size>, Box<Size>),
    Times(Box<Size>, Box<Size>),
    Over(Box<Size>, Box<Size>),
}

fn size() -> impl Strategy<Value = Size> {
    let leaf =
        prop_oneof![4 => (0..4usize).prop_map(Size::Name), 3 => (1..7i64).prop_map(Size::Number)];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let two = (inner.clone(), inner);
        let two = two.prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            2 => two.clone().prop_map(|(a, b)| Size::Plus(a, b)),
            1 => two.clone().prop_map(|(a, b)| Size::Minus(a, b)),
            3 => two.clone().prop_map(|(a, b)| Size::Times(a, b)),
            4 => two.prop_map(|(a, b)| Size::Over(a, b)),
        ]
    })
}

/// A requirement: `(i * x + j * y) % (k * z) == r`, where `i`, `j` and `r` may be 0 and `z` may be missing.
fn requirement() -> impl Strategy<Value = String> {
    let x = (1..3i64, 0..4usize, 0..3i64, 0..4usize);
    (x, 1..6i64, 0..8usize, 0..2i64).prop_map(|((i, x, j, y), k, z, r)| {
        let by = NAMES
            .get(z)
            .map_or(k.to_string(), |z| format!("({k} * {z})"));
        let r = if k > r && z >= 4 { r } else { 0 };
        format!("({i} * {} + {j} * {}) % {by} == {r}", NAMES[x], NAMES[y])
    })
}

/// The number that a condition of [`requirement`]'s form compares, computed by hand.
fn holds(text: &str, at: &Binding) -> bool {
    let value = |word: &str| -> i64 {
        let factors = word.trim_matches(['(', ')']).split(" * ");
        let number = |f: &str| f.parse().unwrap_or_else(|_| at[f]);
        factors.map(number).product()
    };
    let (left, rest) = text.split_once(" == ").unwrap();
    let (of, by) = left.split_once(" % ").unwrap();
    let of: i64 = of.split(" + ").map(value).sum();
    of % value(by) == rest.parse::<i64>().unwrap()
}

/// The size as the macros compute it, and quotients that they did not find to be whole.
fn symbolic(s: &Size, facts: &Facts, open: &mut Vec<(Dim, Dim)>) -> Option<Dim> {
    let mut two = |a: &Size, b: &Size| Some((symbolic(a, facts, open)?, symbolic(b, facts, open)?));
    Some(match s {
        Size::Name(i) => Dim::name(NAMES[*i]),
        Size::Number(n) => Dim::constant(*n),
        Size::Plus(a, b) => two(a, b).map(|(a, b)| a.plus(&b))?,
        Size::Minus(a, b) => two(a, b).map(|(a, b)| a.plus(&b.negated()))?,
        Size::Times(a, b) => two(a, b).map(|(a, b)| a.times(&b))?,
        Size::Over(a, b) => {
            let (a, b) = two(a, b)?;
            let found = facts.divide(&a, &b);
            if found.is_none() {
                open.push((a, b));
            }
            found?
        }
    })
}

/// The size in numbers; `None` where a quotient is not whole.
fn number(s: &Size, at: &Binding) -> Option<i64> {
    let two = |a: &Size, b: &Size| Some((number(a, at)?, number(b, at)?));
    Some(match s {
        Size::Name(i) => at[NAMES[*i]],
        Size::Number(n) => *n,
        Size::Plus(a, b) => two(a, b).map(|(a, b)| a + b)?,
        Size::Minus(a, b) => two(a, b).map(|(a, b)| a - b)?,
        Size::Times(a, b) => two(a, b).map(|(a, b)| a * b)?,
        Size::Over(a, b) => {
            let (a, b) = two(a, b)?;
            (b != 0 && a % b == 0).then(|| a / b)?
        }
    })
}

/// A normal form in numbers.
fn value(d: &Dim, at: &Binding) -> Option<i64> {
    let factor = |name: &String| match Quotient::of(name) {
        None => Some(at[name]),
        Some(q) => {
            let (of, by) = (value(&q.of, at)?, value(&q.divisor(), at)?);
            (by != 0 && of % by == 0).then(|| of / by)
        }
    };
    let mut sum = 0;
    for (names, c) in d.terms() {
        let product = names.iter().map(factor).try_fold(c, |p, f| Some(p * f?));
        sum += product?;
    }
    Some(sum)
}

/// Every binding of numbers up to `most` that fulfils the requirements, at most 1,000 of them evenly taken.
fn bindings(requires: &[String], most: i64) -> Vec<Binding> {
    let all = (0..most.pow(4)).map(|i| {
        let each = (0..4u32).map(|n| (NAMES[n as usize].to_string(), i / most.pow(n) % most + 1));
        each.collect::<Binding>()
    });
    let all: Vec<Binding> = all
        .filter(|b| requires.iter().all(|r| holds(r, b)))
        .collect();
    let step = all.len().div_ceil(1000).max(1);
    all.into_iter().step_by(step).collect()
}

fn facts(requires: &[String]) -> Facts {
    let sizes = NAMES.map(String::from).into_iter().collect();
    let none = Facts::new(sizes, Default::default());
    requires
        .iter()
        .fold(none, |f, r| f.and(&syn::parse_str(r).unwrap(), true))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn quotients_are_whole_and_forms_are_equal_in_numbers(
        requires in prop::collection::vec(requirement(), 0..3),
        left in size(),
        right in size(),
    ) {
        let (facts, at) = (facts(&requires), bindings(&requires, 9));
        let mut open = Vec::new();
        let forms = [&left, &right].map(|s| symbolic(s, &facts, &mut open));
        for (size, form) in [&left, &right].into_iter().zip(&forms) {
            let Some(form) = form else { continue };
            for b in &at {
                // A quotient by a difference may divide by 0, which load refuses.
                let Some(n) = number(size, b) else {
                    prop_assert!(has_difference(size), "{size:?} is {form}, not whole at {b:?} ({requires:?})");
                    continue;
                };
                prop_assert_eq!(value(form, b), Some(n), "{:?} as {} at {:?} ({:?})", size, form, b, &requires);
            }
        }
        for (a, b) in open {
            let whole = |at: &Binding| {
                let (a, b) = (value(&a, at), value(&b, at));
                a.zip(b).is_some_and(|(a, b)| b != 0 && a % b == 0)
            };
            if at.len() > 20 && at.iter().all(whole) {
                println!("not known to be whole: ({a}) / ({b}) where {requires:?}");
            }
        }
        if let [Some(a), Some(b)] = &forms {
            let equal = at.iter().all(|at| value(a, at) == value(b, at));
            if at.len() > 20 && equal && a != b {
                println!("not known to be equal: {a}, {b} where {requires:?}");
            }
            if facts.at_most(a, b) {
                for at in &at {
                    prop_assert!(value(a, at) <= value(b, at), "{a} <= {b} at {at:?} ({requires:?})");
                }
            }
            for by in 2..5 {
                let Some(floor) = facts.floor_div(a, &Dim::constant(by)) else { continue };
                for at in &at {
                    let n = value(a, at).map(|n| n.div_euclid(by));
                    prop_assert_eq!(value(&floor, at), n, "{} / {} at {:?} ({:?})", a, by, at, &requires);
                }
            }
        }
    }
}

fn has_difference(s: &Size) -> bool {
    match s {
        Size::Name(_) | Size::Number(_) => false,
        Size::Minus(..) => true,
        Size::Plus(a, b) | Size::Times(a, b) | Size::Over(a, b) => {
            has_difference(a) || has_difference(b)
        }
    }
}

#[test]
fn quotients_that_are_required_are_whole() {
    for (requires, of, by, want) in [
        (&["(1 * d + 0 * d) % 4 == 0"][..], "d", 2, Some("d/2")),
        (&["d % 4 == 0"], "d", 4, Some("d/4")),
        (&["d % 4 == 0"], "d", 8, None),
        (&["d % 2 == 0", "d % 3 == 0"], "d", 6, Some("d/6")),
        (&["d % 64 == 0"], "d", 32, Some("d/32")),
        (&["d % 64 == 0"], "d", 48, None),
        (&["(a + b) % 3 == 0"], "a", 3, None),
        (&["a % 3 == 0 && b % 3 == 0"], "a", 3, Some("a/3")),
        (&["!(a % 3 != 0)"], "a", 3, Some("a/3")),
        (&["a % 3 == 0 || b % 3 == 0"], "a", 3, None),
        (&["d / 2 % 2 == 0", "d % 2 == 0"], "d", 4, None),
        (&["d % 2 == 0", "d / 2 % 2 == 0"], "d", 4, Some("d/4")),
    ] {
        let facts = facts(&requires.iter().map(ToString::to_string).collect::<Vec<_>>());
        let found = facts.divide(&Dim::name(of), &Dim::constant(by));
        assert_eq!(
            found.map(|d| d.to_string()).as_deref(),
            want,
            "{requires:?}: {of} / {by}"
        );
    }
}
