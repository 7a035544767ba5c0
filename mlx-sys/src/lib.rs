//! Raw bindings to MLX C, the C API of MLX. Nothing here is safe or clever.
//!
//! Every function of `mlx/c/mlx.h` is here under its own name, with bindgen's types; MLX C's own
//! documentation says what it does. The few functions that start with `mlxrs_` are this crate's.
//! The README says where the build script finds MLX and which variables it heeds.

// Generated, with C's names and the C headers' comments.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    rustdoc::all,
    clippy::all
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;
