//! Random programs: the text compiles without a warning, runs without a fault, and computes what MLX's operations do.

use crate::compile::{compile, numbered, Job};
use crate::composed::Sizes;
use crate::programs::Launch;
use crate::random;

const PROGRAMS: u64 = 500;

#[test]
fn random_programs_agree_with_mlx() {
    let only = std::env::var("METAL_SEED").ok().and_then(|s| s.parse().ok());
    let seeds: Vec<u64> = only.map_or((0..PROGRAMS).collect(), |s| vec![s]);
    let made = seeds.iter().filter_map(|seed| {
        let case = random::program(*seed);
        Launch::new(case.program, Sizes(case.sizes), *seed)
    });
    let launches: Vec<Launch> = made.collect();
    // Few are too long.
    assert!(launches.len() * 100 >= seeds.len() * 98, "{} of {}", launches.len(), seeds.len());
    let kernels: Vec<_> = launches.iter().map(|l| l.kernel.clone()).collect();
    let program = compile(&crate::folder("generated"), &kernels).unwrap_or_else(|e| panic!("{}", first(&e)));
    let jobs: Vec<Job> = launches.iter().enumerate().map(|(i, l)| l.job(i, i as u32)).collect();
    let outcomes = program.run(&jobs);
    let mut counts = [0; 2];
    let mut failures = Vec::new();
    for (launch, outcome) in launches.iter().zip(&outcomes) {
        if let Some(wrong) = launch.wrong(outcome, &mut counts) {
            failures.push(format!(
                "{}: {wrong}\n{}{}",
                launch.program.name,
                launch.text.header,
                numbered(&launch.kernel.body)
            ));
        }
    }
    let [elements, unstable] = counts;
    println!("{} programs, {elements} elements, {unstable} of them depend on rounding", launches.len());
    assert!(failures.is_empty(), "{} programs are wrong\n{}", failures.len(), failures[..failures.len().min(3)].join("\n"));
    assert!(unstable * 10 < elements);
}

/// The first lines of a compiler's message.
fn first(said: &str) -> String {
    said.lines().take(40).collect::<Vec<_>>().join("\n")
}
