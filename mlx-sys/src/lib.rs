//! Raw bindings to MLX C, the C API of MLX. None of them is safe; `mlx-runtime` is the safe API.
//!
//! Every function of `mlx/c/mlx.h` has its own name here, with bindgen's types, and is documented by MLX C. The functions
//! that start with `mlxrs_` are defined by this crate. The README lists the places where the build script looks for MLX,
//! and the variables that it reads.
//!
//! Tests: `tests/api.rs`, `tests/smoke.rs`.

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

/// The source of the bindings, for the tools that check that every function is reachable.
#[doc(hidden)]
pub mod source {
    /// The bindings as text.
    pub const BINDINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
    /// The folder that the headers were read from.
    pub const HEADERS: &str = env!("MLX_SYS_TEST_HEADERS");
}
