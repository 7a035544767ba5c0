//! Builds typed graphs from bodies: every expression gets its shape and dtype, and every mistake is reported at its
//! own tokens.
//!
//! Tests: `tests/planted.rs`, `tests/right.rs`; `mlx-tests --test ui` shows the messages.

pub mod arguments;
mod axes;
mod branches;
pub mod build;
mod caches;
pub mod calls;
pub(crate) mod foreign;
mod functions;
mod kinds;
mod layers;
pub mod lints;
mod lists;
mod loops;
pub(crate) mod methods;
mod rearrange;
pub(crate) mod recursion;
mod states;
pub mod tuples;
pub(crate) mod values;
mod variables;
