//! Compiles functions with MLX's graph compiler.
//!
//! Tests: `tests/transforms.rs`.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use mlx_sys as sys;

use super::closure::Handle;
use crate::array::settled;
use crate::context::Scope;
use crate::stack::deep;
use crate::{Array, Result};

/// A compiled function, made by [`compile`].
///
/// Neither `Send` nor `Sync`: MLX's cache of compiled graphs belongs to the thread.
pub struct Compiled {
    handle: Result<Handle>,
    shapeless: bool,
    not_send: PhantomData<*const ()>,
}

/// `f`, recorded once for each set of input shapes and dtypes (once in all if `shapeless`), with
/// elementwise operations fused. MLX: `compile`.
///
/// Captured arrays become constants, random state included: pass everything that changes as an input. The recorded
/// graphs are kept until the `Compiled` is dropped: use few different shapes. Inside a transform's closure the function
/// is recorded as if it were not compiled, so compile outermost: a closure that calls a [`super::ValueAndGrad`], not
/// the other way round. On CPU each fused kernel is built by the C++ compiler the first time, which takes seconds.
pub fn compile<F>(f: F, shapeless: bool) -> Compiled
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let handle = Handle::new(counted(f)).and_then(|h| {
        h.map("compile", |out, f| {
            // SAFETY: the closure is valid, the destination null.
            unsafe { sys::mlx_compile(out, f, shapeless) }
        })
    });
    Compiled::from_handle(handle, shapeless)
}

static RECORDINGS: AtomicU64 = AtomicU64::new(0);

/// The number of recordings of compiled functions in this process: one for each set of shapes and dtypes, and one for
/// each call if compilation is off or the call is inside a transform. MLX does not expose the number of graphs that it
/// keeps.
pub fn recordings() -> u64 {
    RECORDINGS.load(Ordering::Relaxed)
}

/// `f`, with a counter of its calls: MLX calls a function to record it.
pub(super) fn counted<F>(f: F) -> impl Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    move |inputs| {
        RECORDINGS.fetch_add(1, Ordering::Relaxed);
        f(inputs)
    }
}

impl Compiled {
    pub(super) fn from_handle(handle: Result<Handle>, shapeless: bool) -> Self {
        Self {
            handle,
            shapeless,
            not_send: PhantomData,
        }
    }

    /// The outputs for these inputs.
    ///
    /// # Errors
    /// Returns the error of the function or of MLX, and an error if the function panics.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let handle = self.handle.as_ref().map_err(Clone::clone)?;
        // MLX changes the graph that it records, down to arrays that the function captured.
        let _lock = crate::lock::graph_lock();
        let _shapeless = Scope::shapeless(self.shapeless);
        settled(deep(|| handle.apply("compile", inputs))?)
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compiled")
    }
}
