//! The first phase reads attributes, structs and signatures into definitions with symbolic sizes.
//!
//! Tests: `tests/right.rs`, `tests/planted.rs`.

mod alternatives;
pub(crate) mod args;
pub mod arrays;
pub mod condition;
mod config_source;
pub mod digest;
pub mod dims;
pub(crate) mod function_source;
pub mod kind;
pub mod layers;
mod linear;
pub(crate) mod literals;
pub mod logic;
pub mod model;
pub mod names;
pub(crate) mod nesting;
pub mod quantize;
mod rational;
pub(crate) mod shapes;
pub mod signature;
pub mod switches;
pub mod weights;
