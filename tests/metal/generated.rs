//! Random programs: the text compiles without a warning, runs without a fault, and computes what MLX's operations do.

use mlx_macros_core::kernel::vjp;

use crate::compile::{compile, numbered, Job};
use crate::composed::Sizes;
use crate::programs::Launch;
use crate::random;

const PROGRAMS: u64 = 500;

/// The seeds to run: all, or the one in `METAL_SEED`.
fn seeds() -> Vec<u64> {
    let only = std::env::var("METAL_SEED").ok().and_then(|s| s.parse().ok());
    only.map_or((0..PROGRAMS).collect(), |s| vec![s])
}

/// Compiles, runs and compares.
fn check(folder: &str, launches: &[Launch]) {
    let kernels: Vec<_> = launches.iter().map(|l| l.kernel.clone()).collect();
    let program = compile(&crate::folder(folder), &kernels).unwrap_or_else(|e| panic!("{}", first(&e)));
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
    println!("{folder}: {} programs, {elements} elements, {unstable} of them depend on rounding", launches.len());
    assert!(failures.is_empty(), "{} programs are wrong\n{}", failures.len(), failures[..failures.len().min(3)].join("\n"));
    assert!(unstable * 10 < elements);
}

#[test]
fn random_programs_agree_with_mlx() {
    let seeds = seeds();
    let made = seeds.iter().filter_map(|seed| {
        let case = random::program(*seed);
        Launch::new(case.program, Sizes(case.sizes), *seed)
    });
    let launches: Vec<Launch> = made.collect();
    // Few are too long.
    assert!(launches.len() * 100 >= seeds.len() * 98, "{} of {}", launches.len(), seeds.len());
    check("programs", &launches);
}

#[test]
fn gradients_of_random_programs_agree_with_mlx() {
    let seeds = seeds();
    let mut launches = Vec::new();
    for seed in &seeds {
        let case = random::program(*seed);
        let frozen = vec![false; case.program.inputs.len()];
        // A program whose outputs are whole numbers has no gradient, and one launch cannot scatter.
        if let Ok(Some(gradient)) = vjp::gradient(&case.program, &frozen) {
            launches.extend(Launch::gradient(&case.program, gradient, Sizes(case.sizes), *seed));
        }
    }
    assert!(launches.len() * 100 >= seeds.len() * 60, "{} of {}", launches.len(), seeds.len());
    check("gradients", &launches);
}

/// The first lines of a compiler's message.
fn first(said: &str) -> String {
    said.lines().take(40).collect::<Vec<_>>().join("\n")
}
