//! Turns rows of files into batches.
//!
//! Tests: `tests/batches.rs`.

mod batch;
mod example;
mod lines;
mod order;
mod packing;
mod parquet;
mod part;
mod rows;
mod source;
mod widths;
mod workers;

pub use batch::Batch;
pub use example::{Example, Format};
pub use order::{held_out, BatchOptions, Batches, Cursor};
pub use rows::{Limit, Row, Split};
pub use source::{one_or_more, Data, HfConfig, HfDataset};
pub use widths::{width, Widths};
