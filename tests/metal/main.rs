//! Metal's text without a Mac: the text that `mx.fast.metal_kernel` would compile is compiled as C++ with a `metal_stdlib` of
//! our own (`shim/`), and runs on a CPU under AddressSanitizer, with checks of barriers, races and bounds.
//!
//! `planted` shows that the shim finds faults, `wrapped` that the text around a body is MLX's.

mod arrays;
mod compile;
mod composed;
mod emitted;
mod generated;
mod kernels;
mod mutated;
mod planted;
mod programs;
mod random;
#[allow(dead_code)] // what its own tests need
#[path = "../../mlx-macros/core/tests/kernels/generate.rs"]
mod source;
mod steps;
mod wrap;
mod wrapped;

use std::path::PathBuf;

/// A folder for what is compiled.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("metal")
        .join(name)
}
