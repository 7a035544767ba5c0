//! Cases nobody wrote: those written by hand with a size, an axis, a dtype or a dim changed, and
//! shapes of every rank that may or may not broadcast.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::cases;
use crate::check::{check, Verdict};

/// The cases are the same in every run; another seed looks for new ones.
const SEED: RngSeed = RngSeed::Fixed(20);

/// Texts for a size, an axis or a number.
const SIZES: [&str; 15] = [
    "1", "2", "3", "4", "6", "0", "A", "B", "C", "a", "b", "c", "2 * a", "a * b", "-1",
];
const DTYPES: [&str; 5] = ["float", "f32", "i32", "u32", "bool"];
const FLAGS: [&str; 2] = ["true", "false"];

/// Words and what is between them.
fn tokens(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    for c in text.chars() {
        match all.last_mut() {
            Some(last) if word(c) && last.chars().all(word) => last.push(c),
            _ => all.push(c.to_string()),
        }
    }
    all
}

/// A changed case: token number `at` of those that may change becomes another, or goes, or comes
/// twice.
fn changed(text: &str, at: usize, choice: usize) -> String {
    let mut all = tokens(text);
    let may = |t: &str| {
        let number = t.chars().all(|c| c.is_ascii_digit());
        number
            || (t.len() == 1 && t.chars().all(char::is_alphabetic))
            || DTYPES.contains(&t)
            || FLAGS.contains(&t)
    };
    let places: Vec<usize> = (0..all.len()).filter(|i| may(&all[*i])).collect();
    let Some(&place) = places.get(at % places.len().max(1)) else {
        return text.to_string();
    };
    let token = all[place].clone();
    all[place] = if DTYPES.contains(&token.as_str()) {
        DTYPES[choice % DTYPES.len()].to_string()
    } else if FLAGS.contains(&token.as_str()) {
        FLAGS[choice % 2].to_string()
    } else {
        match choice % (SIZES.len() + 2) {
            0 => format!("{token}, {token}"),
            // The comma after it goes too, where there is one.
            1 if all.get(place + 1).is_some_and(|t| t == ",") => {
                all[place + 1].clear();
                String::new()
            }
            n => SIZES[n % SIZES.len()].to_string(),
        }
    };
    all.concat()
}

/// The name of the outermost operation.
fn op(expr: &str) -> &str {
    expr.split('(').next().unwrap_or(expr)
}

#[test]
fn changed_cases_are_judged_alike() {
    let mut by_op: BTreeMap<String, Vec<cases::Case>> = BTreeMap::new();
    for case in cases::accepted() {
        by_op.entry(op(&case.1).to_string()).or_default().push(case);
    }
    let ops: Vec<Vec<cases::Case>> = by_op.into_values().collect();
    let n = ops.len();
    let strategy = (
        0..n,
        any::<usize>(),
        prop::collection::vec((any::<bool>(), any::<usize>(), any::<usize>()), 1..4),
    );
    let mut runner = TestRunner::new(Config {
        cases: 4_000,
        failure_persistence: None,
        rng_seed: SEED,
        ..Config::default()
    });
    let mut seen = [0usize; 5];
    let counts = std::cell::RefCell::new(&mut seen);
    let result = runner.run(&strategy, |(i, j, changes)| {
        let (mut args, mut expr) = ops[i][j % ops[i].len()].clone();
        for (in_args, at, choice) in changes {
            match in_args {
                true => args = changed(&args, at, choice),
                false => expr = changed(&expr, at, choice),
            }
        }
        let fail = |e: String| TestCaseError::fail(format!("({args}) {expr}: {e}"));
        // A change may leave what is no Rust, or no argument: nothing to judge.
        if let Ok(read) = crate::symbols::read(&args, &expr) {
            if read.node.is_none() {
                return Ok(());
            }
            let (_, verdict) = check(&args, &expr).map_err(fail)?;
            counts.borrow_mut()[match verdict {
                Verdict::Accepted => 0,
                Verdict::Refused => 1,
                Verdict::Stricter(_) => 2,
                Verdict::LessKnown(_) => 3,
                Verdict::NoForm(_) => 4,
            }] += 1;
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    // The test would prove nothing if hardly a case came through.
    assert!(seen[0] > 300 && seen[1] > 100, "{seen:?}");
}

/// A shape of up to five dims of few sizes, so that many pairs broadcast.
fn shape() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["1", "A", "B", "a"]), 0..5)
}

proptest! {
    #![proptest_config(Config { cases: 1500, failure_persistence: None, rng_seed: SEED, ..Config::default() })]

    #[test]
    fn broadcasts_of_every_rank(
        x in shape(),
        y in shape(),
        z in shape(),
        d in prop::sample::select(DTYPES.to_vec()),
        e in prop::sample::select(DTYPES.to_vec()),
        op in prop::sample::select(vec!["add(x, y)", "where_(c, x, y)", "less(x, y)", "multiply(y, x)", "matmul(x, y)", "clip(x, y)", "logaddexp(x, y)", "remainder(x, y)"]),
    ) {
        let args = format!(
            "x: Tensor![{}; {d}], y: Tensor![{}; {e}], c: Tensor![{}; bool]",
            x.join(", "), y.join(", "), z.join(", ")
        );
        check(&args, op).map_err(|e| TestCaseError::fail(format!("({args}) {op}: {e}")))?;
    }

    #[test]
    fn axes_of_every_rank(
        x in shape(),
        d in prop::sample::select(DTYPES.to_vec()),
        axes in prop::collection::vec(-6i32..6, 0..4),
        keep in any::<bool>(),
        op in prop::sample::select(vec!["sum", "mean", "max", "var", "all", "logsumexp", "softmax", "prod", "median"]),
    ) {
        let args = format!("x: Tensor![{}; {d}]", x.join(", "));
        let expr = format!("{op}(x, {axes:?}, {keep})");
        check(&args, &expr).map_err(|e| TestCaseError::fail(format!("({args}) {expr}: {e}")))?;
    }

    #[test]
    fn moves_of_every_rank(
        x in shape(),
        i in -6i32..6,
        j in -6i32..6,
        op in prop::sample::select(vec!["swapaxes", "moveaxis", "flatten", "repeat", "take"]),
    ) {
        let args = format!("x: Tensor![{}], y: Tensor![B, 2; i32]", x.join(", "));
        let expr = match op {
            "repeat" => format!("repeat(x, b, {i})"),
            "take" => format!("take(x, y, {i})"),
            _ => format!("{op}(x, {i}, {j})"),
        };
        check(&args, &expr).map_err(|e| TestCaseError::fail(format!("({args}) {expr}: {e}")))?;
    }
}
