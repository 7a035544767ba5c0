//! The flags of `launch`.
//!
//! Tests: `tests/ranks.rs`.

use std::ffi::OsString;

use clap::Args;

use crate::ranks::Backend;

/// Flags of `launch`.
#[derive(Args, Clone, Debug)]
pub struct LaunchArgs {
    /// Processes to start [default: one a GPU]
    #[arg(short = 'n', long = "processes", value_name = "N")]
    pub processes: Option<usize>,
    /// ring (CPU, Metal) or nccl (CUDA) [default: nccl on CUDA, ring elsewhere]
    #[arg(long)]
    pub backend: Option<Backend>,
    /// Seconds within which a rank that does not answer ends all
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// The command, after --: train, lora or bench, with its flags
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    pub command: Vec<OsString>,
}
