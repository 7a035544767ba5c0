//! Random cases: two operations in a row, on random shapes, dtypes and options, under a transform.
//!
//! `OPERATIONS_SEED` draws other cases, `OPERATIONS_COUNT` more of them; a failure names its case:
//! `OPERATIONS_SEED=1 OPERATIONS_CASES="17 18" cargo test -p mlx-runtime --test operations fuzz -- --nocapture`
//! runs that one again.

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::transforms::{compile_mode, CompileMode};

use crate::check::{Call, Check, CHECKS};
use crate::generate::{Generate, Sizes};
use crate::table::{Kind, Operation};
use crate::{children, layout, operations};

/// About a minute of a debug build on two cores.
const COUNT: u64 = 100_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The call with this number, and the comparison.
fn call(seed: u64, n: u64) -> (Call, Check) {
    let mut g = Generate::new(Generate::new(seed, false).next() ^ n, false);
    let wild = g.bool();
    let all = operations();
    let operation = &all[g.below(all.len())];
    // Numbers are compared after a step only if none before it is rounded; after a pole never.
    let tame =
        |then: &Operation| matches!(then.kind, Kind::Smooth | Kind::Single) && then.range.0 <= -1.0;
    let then = &all[g.below(all.len())];
    let then = (g.bool() && (wild || tame(then))).then_some(then);
    let layout = layout::ALL[g.below(layout::ALL.len())];
    let check = CHECKS[g.below(CHECKS.len())];
    (
        Call::new(operation, then, layout, Sizes::Any, g.next(), wild),
        check,
    )
}

#[test]
fn random_calls_agree() {
    // Only a CPU computes in float64.
    set_default_device(Device::cpu()).unwrap();
    // Each fused kernel would be a run of the C++ compiler.
    compile_mode(CompileMode::NoFuse).unwrap();
    let (seed, count) = (
        number("OPERATIONS_SEED", 1),
        number("OPERATIONS_COUNT", COUNT),
    );
    let told = children::run("fuzz::random_calls_agree", 0..count, |n| {
        let (call, check) = call(seed, n);
        let report = call.check(check);
        let mut told: Vec<String> = report.wrong.iter().map(|w| format!("wrong: {w}")).collect();
        if report.called && n % 100 == 0 {
            told.push("called".to_owned());
        }
        told
    });
    let (called, wrong): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|(_, text)| text == "called");
    println!(
        "{count} cases of seed {seed}, {} of each 100th took their inputs",
        called.len()
    );
    let texts: Vec<String> = wrong
        .iter()
        .map(|(n, text)| {
            let (call, check) = call(seed, *n);
            let names = (call.operation.name, call.then.map(|then| then.name));
            format!(
                "case {n} {names:?} {check:?} {:?} {:?} wild {}: {text}",
                call.layout,
                call.shapes(),
                call.wild
            )
        })
        .collect();
    assert!(
        texts.is_empty(),
        "{} of seed {seed}:\n{}",
        texts.len(),
        texts.join("\n")
    );
    // Cases that no operation takes test nothing.
    assert!(
        called.len() as u64 * 100 > count / 4,
        "{} of each 100th",
        called.len()
    );
}
