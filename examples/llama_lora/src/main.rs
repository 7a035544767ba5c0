//! The binary: one message on stderr and exit code 1 for what goes wrong, 2 for what is typed wrong.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use llama_lora::cli::Cli;
use llama_lora::output::{self, Quiet};

fn main() -> ExitCode {
    match llama_lora::commands::execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            Some(Quiet(code)) => ExitCode::from(*code),
            None => {
                let message = llama_lora::files::message(&error);
                output::note(format_args!("error: {message}"));
                ExitCode::FAILURE
            }
        },
    }
}
