//! The binary: one message on stderr and exit code 1 for what goes wrong, 2 for what is typed wrong.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use llama_lora::cli::Cli;

fn main() -> ExitCode {
    match llama_lora::commands::execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", llama_lora::files::message(&error));
            ExitCode::FAILURE
        }
    }
}
