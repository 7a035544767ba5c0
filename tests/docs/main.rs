//! The Markdown files: every block of Rust compiles, and runs unless it says `no_run`; every link leads somewhere.
//!
//! `build.rs` makes a module of each block. Each program runs in its own process, because programs change
//! settings of the process.

mod links;
mod mistakes;
mod pages;
mod sources;

use std::env;
use std::fmt::Debug;
use std::process::Command;

include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// Names the one program that a process runs.
const PROGRAM: &str = "MLX_TESTS_PROGRAM";

/// The result of a program's `main`.
trait Outcome {
    fn check(self);
}

impl Outcome for () {
    fn check(self) {}
}

impl<E: Debug> Outcome for Result<(), E> {
    fn check(self) {
        self.expect("the program succeeds");
    }
}

/// Runs a page's programs in their order, in one folder, as a reader does.
fn run(page: &str, programs: &[(&str, fn())]) {
    if let Ok(name) = env::var(PROGRAM) {
        return programs
            .iter()
            .filter(|(n, _)| *n == name)
            .for_each(|(_, main)| main());
    }
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    for (name, _) in programs {
        let output = Command::new(env::current_exe().expect("the test's path"))
            .args(["--exact", page, "--nocapture"])
            .env(PROGRAM, name)
            .current_dir(&folder)
            .output()
            .expect("the test runs again");
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}");
    }
}
