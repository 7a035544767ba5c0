//! Prepares MLX and the calling thread.
//!
//! Tests: `tests/errors.rs`, `tests/threads.rs`, `tests/sums.rs`.

use std::sync::Once;

/// Prepares MLX before the first call of this crate into MLX C, and gives the thread its streams. An atomic load and one of
/// the thread's once that is done.
#[inline]
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        crate::error::install_handler();
        crate::backend::cuda::prefer_launches();
        crate::memory::raise_cpu_cache();
        // SAFETY: takes nothing.
        unsafe { mlx_sys::mlxrs_device_watch() };
        // SAFETY: nothing was evaluated yet.
        unsafe { mlx_sys::mlxrs_sums_in_blocks() };
    });
    crate::stream::settle();
}
