//! `mlx-sys/build/pinned_bindings.rs`: bindgen's output for the pinned MLX C, which builds of the documentation use.

use crate::File;

pub fn file() -> File {
    File {
        path: "mlx-sys/build/pinned_bindings.rs".into(),
        text: mlx_sys::source::BINDINGS.into(),
    }
}
