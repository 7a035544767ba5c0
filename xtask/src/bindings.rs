//! `mlx-sys/build/pinned_bindings.rs`: bindgen's output for the pinned MLX C on Linux, for documentation builds.
//!
//! Tests: `tests/current.rs`.

use crate::File;

const PATH: &str = "mlx-sys/build/pinned_bindings.rs";

/// The committed file if it declares the same functions as bindgen's output here, and that output otherwise. Other
/// versions of libclang may write comments and types of the system in another way; macOS has other system types.
pub fn file() -> File {
    let found = mlx_sys::source::BINDINGS;
    let committed = std::fs::read_to_string(crate::root().join(PATH)).unwrap_or_default();
    let current = !cfg!(target_os = "linux") || functions(&committed) == functions(found);
    File {
        path: PATH.into(),
        text: if current { committed } else { found.into() },
    }
}

/// The declarations of MLX C's functions and ours, in order of name.
fn functions(bindings: &str) -> Vec<String> {
    let mut all: Vec<String> = bindings
        .split("pub fn ")
        .skip(1)
        .filter_map(|rest| rest.split_once(';'))
        .map(|(declaration, _)| declaration.split_whitespace().collect())
        .filter(|declaration: &String| declaration.trim_start_matches('_').starts_with("mlx"))
        .collect();
    all.sort();
    all
}
