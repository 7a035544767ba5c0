//! The binary: one message on stderr and exit code 1 for an error, 2 for a mistyped command line.
//!
//! Tests: `tests/bad_input.rs`.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use llama_lora::cli::Cli;
use llama_lora::output::{self, Quiet};

/// The program has this much stack, whatever `ulimit -s` leaves the main thread.
const STACK: usize = 8 << 20;

/// The heap that arguments and messages need.
const HEAP: usize = 4 << 20;

fn main() -> ExitCode {
    // A failed allocation later would end the program without a word.
    if Vec::<u8>::new().try_reserve_exact(STACK + HEAP).is_err() {
        let text =
            b"error: no memory to begin with: raise the limit on the address space (`ulimit -v`)\n";
        // Nobody is left to tell if stderr is closed.
        let _ = std::io::stderr().write_all(text);
        return ExitCode::FAILURE;
    }
    let program = std::thread::Builder::new().stack_size(STACK);
    match program.spawn(run) {
        // A panic has printed its text.
        Ok(thread) => thread.join().unwrap_or(ExitCode::from(101)),
        Err(error) => {
            output::error(format_args!("cannot start a thread: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> ExitCode {
    match llama_lora::commands::execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            Some(Quiet(code)) => ExitCode::from(*code),
            None => {
                output::error(llama_lora::files::message(&error));
                ExitCode::FAILURE
            }
        },
    }
}
