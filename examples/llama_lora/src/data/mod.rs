//! Turns JSONL into batches.
//!
//! Tests: `tests/batches.rs`.

mod batch;
mod example;
mod lines;
mod order;
mod packing;
mod rows;
mod widths;
mod workers;

pub use batch::Batch;
pub use example::{Example, Format};
pub use order::{held_out, BatchOptions, Batches, Cursor};
pub use rows::{Limit, Row, Split};
pub use widths::{width, Widths};
