//! `cargo xtask generate` writes the generated files, `cargo xtask dist` a folder that runs anywhere, `macho` looks into
//! what was linked for macOS.
//!
//! Tests: `tests/current.rs`.

mod dist;
mod macho;

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
    /// Looks into files that were linked for macOS: libraries, symbols, least version. `.ci/mac` calls it.
    Macho {
        /// The oldest macOS that programs must run on.
        #[arg(long, default_value = "14.0")]
        minimum: String,
        /// Messages of cargo, in which programs and tests are named.
        #[arg(long)]
        cargo: Option<PathBuf>,
        /// More files.
        files: Vec<PathBuf>,
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
        Task::Macho {
            minimum,
            cargo,
            mut files,
        } => {
            if let Some(messages) = cargo {
                files.extend(macho::linked(&messages)?);
            }
            macho::look(&files, &minimum)?;
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
