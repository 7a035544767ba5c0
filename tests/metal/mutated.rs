//! Generated text with a part left out: what the text has, it needs, and the shim sees it.

use crate::compile::{compile, Job, Outcome};
use crate::composed::Sizes;
use crate::programs::Launch;
use crate::random;

/// Programs whose rows have a whole threadgroup, with a reduction.
fn launches(count: usize) -> Vec<Launch> {
    let made = (0..1000).filter_map(|seed| {
        let case = random::program(seed);
        Launch::new(case.program, Sizes(case.sizes), seed)
    });
    made.filter(|l| l.layout.lanes > 32 && l.kernel.body.contains("_parts[32]"))
        .take(count)
        .collect()
}

/// Each text with one line that begins with `start` replaced.
fn without(launches: &[Launch], start: &str, by: &str) -> Vec<(usize, usize, String)> {
    let mut all = Vec::new();
    for (l, launch) in launches.iter().enumerate() {
        let lines: Vec<&str> = launch.kernel.body.lines().collect();
        for (n, _) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.trim().starts_with(start))
        {
            let mut changed = lines.clone();
            changed[n] = by;
            all.push((l, n + 1, changed.join("\n")));
        }
    }
    all
}

fn outcomes(folder: &str, launches: &[Launch], changed: &[(usize, usize, String)]) -> Vec<Outcome> {
    let kernels = changed.iter().map(|(l, _, body)| {
        let mut kernel = launches[*l].kernel.clone();
        kernel.body = body.clone();
        kernel
    });
    let kernels: Vec<_> = kernels.collect();
    let program = compile(&crate::folder(folder), &kernels).unwrap_or_else(|e| panic!("{e}"));
    let jobs: Vec<Job> = changed
        .iter()
        .enumerate()
        .map(|(i, (l, ..))| launches[*l].job(i, 1))
        .collect();
    program.run(&jobs)
}

#[test]
fn every_barrier_of_generated_text_is_needed() {
    let launches = launches(25);
    let changed = without(&launches, "threadgroup_barrier", "");
    assert!(changed.len() >= 30, "{} barriers", changed.len());
    let outcomes = outcomes("mutated", &launches, &changed);
    for ((l, line, body), outcome) in changed.iter().zip(outcomes) {
        // The barrier at the end of a row is for the next one; a worker may have one row.
        let last = body
            .lines()
            .nth(line - 2)
            .is_some_and(|l| l.trim() == "if (LANES > 32) {");
        if last && launches[*l].layout.rows_each == 1 {
            continue;
        }
        let name = &launches[*l].program.name;
        let said = outcome.expect_err(&format!(
            "{name} without the barrier of line {line}:\n{body}"
        ));
        assert!(
            said.contains("threadgroup memory"),
            "{name}, line {line}: {said}"
        );
    }
}

/// The last group of short rows has lanes without a row of their own, which compute the last row and must not write it.
#[test]
fn every_store_is_of_an_own_row() {
    let made = (0..300).filter_map(|seed| {
        let case = random::program(seed);
        Launch::new(case.program, Sizes(case.sizes), seed)
    });
    let short = |l: &Launch| {
        let workers = l.layout.groups * (l.layout.threads / l.layout.lanes);
        l.layout.lanes <= 32 && workers > l.layout.workers && !l.text.sums
    };
    let launches: Vec<Launch> = made.filter(short).take(20).collect();
    let changed = without(&launches, "const bool mine", "const bool mine = true;");
    assert_eq!(changed.len(), 20);
    for ((l, ..), outcome) in changed.iter().zip(outcomes("stores", &launches, &changed)) {
        let said = outcome.expect_err(&launches[*l].program.name);
        assert!(said.contains("two writes of output"), "{said}");
    }
}
