//! Feeds mutated input to every parser of the workspace: none may panic, overflow its stack or hang.
//!
//! Each case is made of a seed and its number alone, so that any of them can be run again:
//! `cargo run -p mlx-fuzz -- macros --seed 1 --from 4711 --cases 1`.
//!
//! Tests: `tests/short.rs`.

#![forbid(unsafe_code)]

mod mutate;
mod random;
mod targets;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;
use std::time::{Duration, Instant};

pub use random::Random;
pub use targets::{find, Target, TARGETS};

/// A case that takes longer hangs.
pub const LONGEST: Duration = Duration::from_secs(20);

/// An input that a parser could not take.
#[derive(Debug)]
pub struct Found {
    /// The number of the case.
    pub case: u64,
    /// The bytes of the input.
    pub input: Vec<u8>,
    /// The failure.
    pub why: String,
}

/// A temporary folder, in memory if the system has a place for it.
///
/// # Errors
/// If there is no place for temporary files.
pub fn folder() -> std::io::Result<tempfile::TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
}

/// The input of a case.
pub fn input(target: &Target, seeds: &[Vec<u8>], seed: u64, case: u64) -> Vec<u8> {
    mutate::changed(seeds, target.form, &mut random::Random::of(seed, case))
}

/// Feeds one input to the parser of that name, for libFuzzer: it ends the process on a panic that nothing catches.
///
/// # Panics
/// If the parser cannot take the input, or there is no such parser.
pub fn feed(name: &str, input: &[u8]) {
    // The hook of libFuzzer's crate also ends the process on panics that a parser contains.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    (find(name).expect("a parser of that name").run)(input);
}

/// Feeds one input to a target.
pub fn run(target: &Target, case: u64, input: Vec<u8>) -> Result<(), Found> {
    let begun = Instant::now();
    let why = match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
        Ok(()) if begun.elapsed() < LONGEST => return Ok(()),
        Ok(()) => format!("it took {:.0?}", begun.elapsed()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            text.unwrap_or("a panic without a text").to_string()
        }
    };
    Err(Found { case, input, why })
}
