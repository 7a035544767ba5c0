//! MLX's cache of compiled graphs.
//!
//! Tests: `tests/custom_functions.rs`.

use std::marker::PhantomData;
use std::ptr::null_mut;

use mlx_sys as sys;

use super::closure::Handle;
use super::compile::{counted, Compiled};
use crate::error::check;
use crate::init::init;
use crate::live::{live, Live};
use crate::{Array, Result};

/// The compiled graphs of one thread. Owns one `mlx_compile_cache`.
///
/// Neither `Send` nor `Sync`: MLX changes the cache of a thread without a lock.
pub struct CompileCache {
    raw: sys::mlx_compile_cache,
    _live: live!(CompileCache),
    not_send: PhantomData<*const ()>,
}

impl CompileCache {
    /// The cache of the calling thread.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn current() -> Result<Self> {
        init();
        let mut cache = Self {
            // SAFETY: makes a handle without a value.
            raw: unsafe { sys::mlx_compile_cache_new() },
            _live: Live::new(),
            not_send: PhantomData,
        };
        // SAFETY: the destination is ours.
        check("compile_cache", unsafe {
            sys::mlx_detail_compile_cache(&mut cache.raw)
        })?;
        Ok(cache)
    }

    /// Forgets every graph: functions are recorded again at their next call. MLX: `compile_clear_cache`.
    ///
    /// # Errors
    /// If MLX cannot.
    pub fn clear(&self) -> Result<()> {
        // SAFETY: the handle is valid.
        check("compile_clear_cache", unsafe {
            sys::mlx_detail_compile_clear_cache(self.raw)
        })
    }

    /// Forgets the graphs of the function that [`compile_as`] was given this number for.
    ///
    /// # Errors
    /// If MLX cannot.
    pub fn erase(&self, id: usize) -> Result<()> {
        // SAFETY: the handle is valid; a number without graphs is ignored.
        check("compile_erase", unsafe {
            sys::mlx_detail_compile_erase(self.raw, id)
        })
    }
}

impl std::fmt::Debug for CompileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompileCache")
    }
}

impl Drop for CompileCache {
    fn drop(&mut self) {
        let raw = std::mem::replace(&mut self.raw, sys::mlx_compile_cache { ctx: null_mut() });
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_compile_cache_free(raw) };
    }
}

/// [`super::compile`] under the caller's number, for equal functions that are made again and again: the graphs stay
/// when the function is dropped, until [`CompileCache::erase`]. A function with other `constants` is recorded again.
///
/// Two functions under one number, with the same constants, share the graph of the one that was called first. Small
/// numbers are free; MLX numbers functions without a number by their address.
pub fn compile_as<F>(f: F, id: usize, shapeless: bool, constants: &[u64]) -> Compiled
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let handle = Handle::new(counted(f)).and_then(|h| {
        h.map("compile", |out, f| {
            let (at, n) = (constants.as_ptr(), constants.len());
            // SAFETY: the closure and the list are valid, the destination null.
            unsafe { sys::mlx_detail_compile(out, f, id, shapeless, at, n) }
        })
    });
    Compiled::from_handle(handle, shapeless)
}
