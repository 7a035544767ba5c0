//! Runs the faults, two at a time, and prints how many of each kind ended how.

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use crate::ground::Ground;

/// How a program ended that a fault was injected into. Everything else is a failure of the campaign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Its work was done: exit code 0, and every result is what it is without the fault.
    Done,
    /// It stopped early because it was asked to, and saved.
    Stopped,
    /// One error said why not.
    Refused,
    /// The injected signal ended it, or the exit code that stands for the signal.
    Ended,
}

/// One injected fault; the function panics if the program does not take it as promised.
pub struct Fault {
    /// The injected fault.
    pub name: String,
    /// Injects it.
    pub inject: Box<dyn Fn(&Ground) -> End + Send + Sync>,
}

impl Fault {
    pub fn new(
        name: impl Into<String>,
        inject: impl Fn(&Ground) -> End + Send + Sync + 'static,
    ) -> Fault {
        Fault {
            name: name.into(),
            inject: Box::new(inject),
        }
    }
}

/// The faults of one kind.
pub type Kind = (&'static str, fn(&Ground) -> Vec<Fault>);

#[derive(Default)]
struct Count {
    ends: [usize; 4],
    failed: usize,
    seconds: f64,
}

/// Runs all kinds, or those that `args` name.
pub fn run(args: &[String], kinds: &[Kind]) -> ExitCode {
    let names: Vec<&str> = args.iter().map(String::as_str).collect();
    if names.contains(&"--list") {
        return ExitCode::SUCCESS;
    }
    let names: Vec<&str> = names.into_iter().filter(|n| !n.starts_with('-')).collect();
    let wanted =
        |kind: &str| names.is_empty() || names.iter().any(|n| n.split('/').next() == Some(kind));
    if !kinds.iter().any(|(kind, _)| wanted(kind)) {
        return ExitCode::SUCCESS;
    }
    // The text of a failed check is printed with its fault.
    std::panic::set_hook(Box::new(|_| {}));
    let (ground, begun) = (Ground::new(), Instant::now());
    let mut todo: Vec<(&'static str, usize, Fault)> = Vec::new();
    for (kind, faults) in kinds.iter().filter(|(kind, _)| wanted(kind)) {
        for (i, fault) in faults(&ground).into_iter().enumerate() {
            let id = format!("{kind}/{i}");
            if names.is_empty() || names.contains(kind) || names.contains(&id.as_str()) {
                todo.push((kind, i, fault));
            }
        }
    }
    let todo = Mutex::new(todo.into_iter());
    let counts: Mutex<BTreeMap<&str, Count>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| loop {
                let next = todo.lock().unwrap().next();
                let Some((kind, i, fault)) = next else { return };
                let begun = Instant::now();
                let end = catch_unwind(AssertUnwindSafe(|| (fault.inject)(&ground)));
                let mut counts = counts.lock().unwrap();
                let count = counts.entry(kind).or_default();
                count.seconds += begun.elapsed().as_secs_f64();
                match end {
                    Ok(end) => {
                        count.ends[end as usize] += 1;
                        if names.iter().any(|n| n.contains('/')) {
                            println!("{kind}/{i} ({}): {end:?}", fault.name);
                        }
                    }
                    Err(panic) => {
                        count.failed += 1;
                        let text = panic.downcast_ref::<String>().map(String::as_str);
                        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                        println!(
                            "FAILED {kind}/{i} ({}): {}",
                            fault.name,
                            text.unwrap_or("a panic without a text")
                        );
                    }
                }
            });
        }
    });
    report(&ground, &counts.into_inner().unwrap(), begun)
}

fn report(ground: &Ground, counts: &BTreeMap<&str, Count>, begun: Instant) -> ExitCode {
    println!("faults by kind, of seed {}:", ground.seed);
    println!("  kind        faults    done  stopped  refused   ended  failed");
    let (mut all, mut failed) = (0, 0);
    for (kind, count) in counts {
        let sum = count.ends.iter().sum::<usize>() + count.failed;
        let [done, stopped, refused, ended] = count.ends;
        println!(
            "  {kind:<10} {sum:>7} {done:>7} {stopped:>8} {refused:>8} {ended:>7} {:>7}   {:.1} s",
            count.failed, count.seconds
        );
        all += sum;
        failed += count.failed;
    }
    println!(
        "{all} faults in {:.0} s, {failed} failed",
        begun.elapsed().as_secs_f64()
    );
    if failed > 0 {
        println!(
            "one again: CAMPAIGN_SEED={} CAMPAIGN_TIMES={} cargo test -p llama_lora --test campaign -- KIND/NUMBER",
            ground.seed, ground.times
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
