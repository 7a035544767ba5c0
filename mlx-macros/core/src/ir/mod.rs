//! The graph of a method, and the form of an operation.
//!
//! Tests: `tests/llama.rs` prints whole graphs.

mod ctx;
mod describe;
mod graph;
mod op;
mod region;

pub use ctx::*;
pub use describe::*;
pub use graph::*;
pub use op::*;
pub use region::*;
