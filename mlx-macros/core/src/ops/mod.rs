//! The table of operations, with the rule for each result's shape and dtype.
//!
//! Tests: `mlx-tests --test rules` compares every row with MLX.

pub(crate) mod keeps;
pub(crate) mod operands;
pub mod rules;
mod table;

pub use table::*;
