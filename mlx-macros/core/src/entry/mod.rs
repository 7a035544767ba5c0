//! Runs the phases in their order: for a model, for a function, for a kernel, and for a source file.
//!
//! Tests: `tests/right.rs`.

mod arms;
mod broken;
mod doubt;
pub mod editor;
pub mod functions;
pub mod kernels;
pub mod model;
pub mod optional;
mod shadow;
pub mod source;
mod typing;
mod unused;
