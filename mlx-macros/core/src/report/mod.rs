//! Describes graphs: as text for snapshots, and as constants for `explain` at run time.
//!
//! Tests: `tests/llama.rs`.

pub mod explain;
mod graph;

pub use graph::*;
