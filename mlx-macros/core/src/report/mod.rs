//! Describes graphs: as text for snapshots, and as lines for `explain` at run time.
//!
//! Tests: `tests/llama.rs`.

pub mod explain;
mod graph;
mod lines;

pub use graph::*;
