//! The rule of every operation against MLX itself. An expression is given to the macros' own
//! library, which says its shape and dtype on the symbols; then the same arguments go to MLX with
//! each dim bound to a number of its own, mostly primes, and MLX's lazy graph, which is never
//! evaluated, says what it is. Both must agree on what is refused, too; where the language is
//! stricter, or knows less before sizes are numbers, `differences` says where and why.

#![forbid(unsafe_code)]

mod call;
mod cases;
mod check;
mod differences;
mod random;
mod symbols;
mod values;

use std::collections::BTreeMap;

use check::{check, Verdict};
use mlx_macros_core::ops::OPS;

/// Every operation of the table, in cases written by hand: accepted by both, with equal results.
#[test]
fn every_rule_agrees_with_mlx() {
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (args, expr) in cases::accepted() {
        match check(&args, &expr) {
            Ok((op, Verdict::Accepted)) => *accepted.entry(op).or_default() += 1,
            Ok((_, other)) => wrong.push(format!("({args}) {expr}: {other:?}")),
            Err(text) => wrong.push(format!("({args}) {expr}: {text}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing = OPS.iter().map(|o| o.name);
    let missing: Vec<&str> = missing.filter(|n| !accepted.contains_key(n)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert!(OPS.len() >= 100, "{} operations", OPS.len());
}

/// Calls that both refuse, or the one of the two that `differences` names.
#[test]
fn what_is_refused_is_refused_by_mlx() {
    let mut wrong = Vec::new();
    for (args, expr) in cases::refused() {
        match check(&args, &expr) {
            Ok((_, Verdict::Accepted)) => wrong.push(format!("({args}) {expr}: accepted by both")),
            Ok(_) => {}
            Err(text) => wrong.push(format!("({args}) {expr}: {text}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
