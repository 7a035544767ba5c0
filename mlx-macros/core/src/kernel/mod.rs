//! Kernels of the row tier: from the graph of a function to a row program, its gradient, and text for each device.
//!
//! Tests: `tests/kernels.rs`.

pub mod ir;
pub mod read;
pub mod regions;
pub mod rust;
mod schedule;
pub mod text;
pub mod vjp;

pub use read::ops::names as operations;
