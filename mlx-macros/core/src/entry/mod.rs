//! Runs the phases in their order: for a model, for a function, and for a source file.
//!
//! Tests: `tests/right.rs`.

pub mod functions;
pub mod model;
pub mod source;
