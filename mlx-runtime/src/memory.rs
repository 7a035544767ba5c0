//! Reads and limits the memory of MLX's allocator, in bytes, for the whole process.
//!
//! Tests: `tests/runtime.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};

use mlx_sys as sys;

use crate::device::{self, default_device, DeviceType, Info};
use crate::error::check;
pub use crate::forecast::{forecast, forecast_within, Forecast};
use crate::init::init;
use crate::Result;

macro_rules! readings {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If MLX cannot say.
        pub fn $name() -> Result<usize> {
            init();
            let mut n = 0;
            // SAFETY: the destination outlives the call.
            check(stringify!($name), unsafe { sys::$c(&mut n) })?;
            Ok(n)
        }
    )*};
}

readings! {
    /// Bytes that arrays use now. MLX: `get_active_memory`.
    active => mlx_get_active_memory;
    /// The most bytes that arrays used since the start or [`reset_peak`]. MLX: `get_peak_memory`.
    peak => mlx_get_peak_memory;
    /// Bytes that are kept for reuse although no array uses them. MLX: `get_cache_memory`.
    cache => mlx_get_cache_memory;
    /// The limit above which evaluation waits for running work before it allocates more. MLX: `get_memory_limit`.
    limit => mlx_get_memory_limit;
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident => $c:ident $(, $known:ident)?;)*) => {$(
        $(#[$doc])*
        ///
        /// Returns the previous value.
        ///
        /// # Errors
        /// If the backend refuses the value.
        pub fn $name(bytes: usize) -> Result<usize> {
            init();
            let mut previous = 0;
            // SAFETY: the destination outlives the call.
            check(stringify!($name), unsafe { sys::$c(&mut previous, bytes) })?;
            $($known.store(bytes, Ordering::Relaxed);)?
            Ok(previous)
        }
    )*};
}

settings! {
    /// Sets the guideline for memory that [`limit`] reads. MLX: `set_memory_limit`.
    set_limit => mlx_set_memory_limit;
    /// Sets the bytes of unused memory that are kept for reuse; 0 keeps none. MLX: `set_cache_limit`.
    set_cache_limit => mlx_set_cache_limit, CACHE_LIMIT;
    /// Sets the bytes of memory that Metal keeps resident; other backends ignore it. MLX: `set_wired_limit`.
    set_wired_limit => mlx_set_wired_limit, WIRED_LIMIT;
}

/// MLX C has no function that reads these two: the value that was set last, or `UNKNOWN`.
static CACHE_LIMIT: AtomicUsize = AtomicUsize::new(UNKNOWN);
static WIRED_LIMIT: AtomicUsize = AtomicUsize::new(UNKNOWN);
const UNKNOWN: usize = usize::MAX;

fn known(limit: &AtomicUsize) -> Option<usize> {
    init();
    Some(limit.load(Ordering::Relaxed)).filter(|&n| n != UNKNOWN)
}

/// The bytes of unused memory that are kept for reuse, as this crate set it; `None` while MLX's own default holds,
/// which is the memory limit on a GPU.
pub fn cache_limit() -> Option<usize> {
    known(&CACHE_LIMIT)
}

/// The bytes of memory that Metal keeps resident, as this crate set it; `None` if it did not.
pub fn wired_limit() -> Option<usize> {
    known(&WIRED_LIMIT)
}

/// Raises the cache limit on the CPU to an eighth of the memory limit, 1 GB at most, unless [`set_cache_limit`] sets
/// it. MLX's default of 32 MB makes each step of a training ask the system for the same pages again: some 4,000 page
/// faults for a LoRA step of a 135M model.
pub(crate) fn raise_cpu_cache() {
    let (mut limit, mut previous, mut gpu) = (0, 0, false);
    // SAFETY: the device is freed once, every destination outlives its call. On failure MLX's
    // default stays, which is no error. This runs inside of `init`, so it calls C directly.
    unsafe {
        let device = sys::mlx_device_new_type(sys::mlx_device_type__MLX_GPU, 0);
        let known = sys::mlx_device_is_available(&mut gpu, device) == 0;
        sys::mlx_device_free(device);
        if known && !gpu && sys::mlx_get_memory_limit(&mut limit) == 0 {
            let cache = (limit / 8).min(1 << 30);
            if sys::mlx_set_cache_limit(&mut previous, cache) == 0 {
                CACHE_LIMIT.store(cache, Ordering::Relaxed);
            }
        }
    }
}

/// The bytes that arrays could use in all at present, including those that they use now: the limit, or less if other
/// programs hold memory of the GPU that is the default device.
///
/// # Errors
/// If MLX cannot say.
pub fn usable() -> Result<usize> {
    let limit = limit()?;
    let device = default_device()?;
    if device.kind() == DeviceType::Cpu {
        return Ok(limit);
    }
    Ok(match device::info_of(device, "free_memory")? {
        Some(Info::Size(free)) => limit.min(free.saturating_add(active()? + cache()?)),
        _ => limit,
    })
}

/// Resets [`peak`]. MLX: `reset_peak_memory`.
///
/// # Errors
/// If MLX cannot.
pub fn reset_peak() -> Result<()> {
    init();
    // SAFETY: takes nothing.
    check("reset_peak", unsafe { sys::mlx_reset_peak_memory() })
}

/// Gives the memory that is kept for reuse back to the system. MLX: `clear_cache`.
///
/// # Errors
/// If MLX cannot.
pub fn clear_cache() -> Result<()> {
    init();
    // SAFETY: takes nothing.
    check("clear_cache", unsafe { sys::mlx_clear_cache() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops, Dtype};

    #[test]
    fn limits_return_the_previous_value() {
        let before = limit().unwrap();
        assert_eq!(set_limit(1 << 40).unwrap(), before);
        assert_eq!(set_limit(before).unwrap(), 1 << 40);
        let cache = set_cache_limit(1 << 20).unwrap();
        assert_eq!(cache_limit(), Some(1 << 20));
        assert_eq!(set_cache_limit(cache).unwrap(), 1 << 20);
    }

    #[test]
    fn no_more_is_usable_than_the_limit() {
        let (usable, limit) = (usable().unwrap(), limit().unwrap());
        match default_device().unwrap().kind() {
            DeviceType::Cpu => assert_eq!(usable, limit),
            DeviceType::Gpu => assert!(usable > 0 && usable <= limit),
        }
    }

    #[test]
    fn arrays_are_counted() {
        let a = ops::ones(&[1 << 20], Dtype::Float32).unwrap();
        a.eval().unwrap();
        // Contiguous, so that it is not a broadcast of one element.
        let b = ops::add(&a, &a).unwrap();
        b.eval().unwrap();
        assert!(active().unwrap() >= 4 << 20);
        assert!(peak().unwrap() >= 4 << 20);
    }
}
