//! The graph that each body becomes, and the form of an operation.
//!
//! Tests: `tests/llama.rs` prints whole graphs.

mod graph;

pub use graph::*;
