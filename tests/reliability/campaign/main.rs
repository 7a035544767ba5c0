//! A campaign of faults against the real binary and the runtime's readers and writers: kills, signals, outputs that
//! close, full disks, system calls that fail, limits, mutated files, hostile clients, and lost ranks. After each the same things
//! are checked; `docs/reliability.md` says which.
//!
//! ```console
//! $ cargo test -p llama_lora --test campaign                       # every kind
//! $ cargo test -p llama_lora --test campaign -- kills calls/17     # a kind, or one fault
//! $ CAMPAIGN_SEED=7 CAMPAIGN_TIMES=20 cargo test -p llama_lora --test campaign
//! ```

#![forbid(unsafe_code)]

mod calls;
mod child;
mod clients;
#[path = "../../../examples/llama_lora/tests/common/mod.rs"]
mod common;
mod ground;
mod kills;
mod limits;
mod mutated;
mod outputs;
mod ranks;
mod runner;
mod shim;
mod signals;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--work", rest)) = args.split_first().map(|(a, rest)| (a.as_str(), rest)) {
        return work::run(rest);
    }
    runner::run(
        &args,
        &[
            ("kills", kills::faults),
            ("signals", signals::faults),
            ("outputs", outputs::faults),
            ("calls", calls::faults),
            ("limits", limits::faults),
            ("mutated", mutated::faults),
            ("clients", clients::faults),
            ("ranks", ranks::faults),
        ],
    )
}
