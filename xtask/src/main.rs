//! `cargo xtask generate` writes the generated files, `cargo xtask dist` a folder that runs anywhere.
//!
//! Tests: `tests/current.rs`.

mod dist;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Tasks for maintainers of this workspace."
)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes the files that are generated and committed.
    Generate {
        /// Writes nothing; the exit code is 1 if a file is not current.
        #[arg(long)]
        check: bool,
    },
    /// Makes a folder and a tar.gz with llama_lora and every library it needs.
    Dist {
        /// The folder that receives both.
        #[arg(long, default_value = "target/dist")]
        out: PathBuf,
        /// Features of llama_lora, such as cuda13.
        #[arg(long, default_value = "")]
        features: String,
    },
}

fn run(task: Task) -> Result<bool> {
    match task {
        Task::Generate { check } => {
            let stale = xtask::generate(check)?;
            for path in &stale {
                println!("{} {path}", if check { "not current:" } else { "wrote" });
            }
            Ok(!check || stale.is_empty())
        }
        Task::Dist { out, features } => {
            dist::make(&out, &features)?;
            Ok(true)
        }
    }
}

fn main() -> ExitCode {
    match run(Args::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
