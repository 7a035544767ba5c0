//! Random programs: the text compiles without a warning, runs without a fault, and computes what MLX's operations do.

use mlx_macros_core::kernel::ir::Source;
use mlx_macros_core::kernel::vjp;

use crate::compile::{compile, numbered, Job};
use crate::composed::Sizes;
use crate::programs::Launch;
use crate::random;

const PROGRAMS: u64 = 500;

/// The one seed to run, if `METAL_SEED` names one.
fn only() -> Option<u64> {
    std::env::var("METAL_SEED").ok()?.parse().ok()
}

/// Compiles, runs and compares.
pub fn check(folder: &str, launches: &[Launch]) {
    let kernels: Vec<_> = launches.iter().map(|l| l.kernel.clone()).collect();
    let program =
        compile(&crate::folder(folder), &kernels).unwrap_or_else(|e| panic!("{}", first(&e)));
    let jobs: Vec<Job> = launches
        .iter()
        .enumerate()
        .map(|(i, l)| l.job(i, i as u32))
        .collect();
    let outcomes = program.run(&jobs);
    let mut counts = [0; 2];
    let mut failures = Vec::new();
    for (launch, outcome) in launches.iter().zip(&outcomes) {
        if let Some(wrong) = launch.wrong(outcome, &mut counts) {
            println!("{}: {wrong}", launch.program.name);
            failures.push(format!(
                "{}: {wrong}\n{}{}",
                launch.program.name,
                launch.text.header,
                numbered(&launch.kernel.body)
            ));
        }
    }
    let [elements, unstable] = counts;
    println!(
        "{folder}: {} programs, {elements} elements, {unstable} of them depend on rounding",
        launches.len()
    );
    assert!(
        failures.is_empty(),
        "{} programs are wrong\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
    assert!(unstable * 10 < elements);
}

#[test]
fn random_programs_agree_with_mlx() {
    let seeds: Vec<u64> = only().map_or((0..PROGRAMS).collect(), |seed| vec![seed]);
    let made = seeds.iter().filter_map(|seed| {
        let case = random::program(*seed);
        Launch::new(case.program, Sizes(case.sizes), *seed)
    });
    let launches: Vec<Launch> = made.collect();
    // Few are too long.
    assert!(
        launches.len() * 100 >= seeds.len() * 98,
        "{} of {}",
        launches.len(),
        seeds.len()
    );
    check("programs", &launches);
}

#[test]
fn gradients_of_random_programs_agree_with_mlx() {
    let mut launches = Vec::new();
    // About half of the programs have one: whole numbers have no gradient, and one launch cannot scatter.
    let all = only().map_or(0..4 * PROGRAMS, |seed| seed..seed + 1);
    for seed in all {
        let case = random::program(seed);
        let frozen = vec![false; case.program.inputs.len()];
        if let Ok(Some(gradient)) = vjp::gradient(&case.program, &frozen) {
            let by = |s: &Source| matches!(s, Source::Cotangent(_));
            if !gradient.inputs.iter().any(by) {
                continue;
            }
            launches.extend(Launch::gradient(
                &case.program,
                gradient,
                Sizes(case.sizes),
                seed,
            ));
        }
        if launches.len() == PROGRAMS as usize {
            break;
        }
    }
    assert!(
        only().is_some() || launches.len() == PROGRAMS as usize,
        "{} programs",
        launches.len()
    );
    check("gradients", &launches);
}

/// CUDA's text is the other dialect of one generator; it runs by the same shim with CUDA's words.
#[test]
fn cuda_text_of_random_programs_agrees_with_mlx() {
    let all = only().map_or(0..PROGRAMS / 2, |seed| seed..seed + 1);
    let mut launches = Vec::new();
    for seed in all {
        let case = random::program(seed);
        let launch = Launch::new(case.program, Sizes(case.sizes), seed);
        launches.extend(launch.and_then(Launch::for_cuda));
    }
    check("cuda", &launches);
}

/// The first lines of a compiler's message.
fn first(said: &str) -> String {
    said.lines().take(40).collect::<Vec<_>>().join("\n")
}
