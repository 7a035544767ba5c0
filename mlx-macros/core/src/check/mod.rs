//! Bodies become typed graphs: every expression gets its shape and dtype, every mistake is reported at its own tokens.
//!
//! Tests: `tests/planted.rs`, `tests/right.rs`, and `mlx-tests --test ui` for the texts.

pub mod arguments;
mod branches;
pub mod build;
mod caches;
pub mod calls;
mod functions;
mod kinds;
mod layers;
mod rearrange;
pub(crate) mod recursion;
pub(crate) mod values;
mod variables;
