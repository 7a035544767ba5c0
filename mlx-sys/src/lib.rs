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

/// What the bindings were made from, for the tools that check that every function is reachable.
#[doc(hidden)]
pub mod source {
    /// The bindings as text.
    pub const BINDINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
    /// The folder that the headers were read from.
    pub const HEADERS: &str = env!("MLX_SYS_TEST_HEADERS");
}
