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

pub use schedule::is_flat;

use crate::ir::Tier;

/// The names of all operations of the row tier.
pub fn operations() -> impl Iterator<Item = &'static str> {
    let row = crate::ops::OPS.iter().filter(|o| o.tier != Tier::Launch);
    row.map(|o| o.name)
}
