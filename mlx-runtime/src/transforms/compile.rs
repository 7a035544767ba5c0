//! Compiles functions with MLX's graph compiler.
//!
//! Tests: `tests/transforms.rs`.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use mlx_sys as sys;

use super::closure::Handle;
use crate::array::settled;
use crate::context::Scope;
use crate::error::check;
use crate::init::init;
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

/// The extent of [`compile`]'s work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileMode {
    /// Nothing: functions run as they are.
    Disabled,
    /// Record only.
    NoSimplify,
    /// Record, and merge duplicate nodes.
    NoFuse,
    /// Everything; the default.
    Enabled,
}

/// Sets the extent of [`compile`]'s work, for the whole process and functions compiled from now on. MLX:
/// `set_compile_mode`.
///
/// # Errors
/// If MLX cannot.
pub fn compile_mode(mode: CompileMode) -> Result<()> {
    init();
    let raw = match mode {
        CompileMode::Disabled => sys::mlx_compile_mode__MLX_COMPILE_MODE_DISABLED,
        CompileMode::NoSimplify => sys::mlx_compile_mode__MLX_COMPILE_MODE_NO_SIMPLIFY,
        CompileMode::NoFuse => sys::mlx_compile_mode__MLX_COMPILE_MODE_NO_FUSE,
        CompileMode::Enabled => sys::mlx_compile_mode__MLX_COMPILE_MODE_ENABLED,
    };
    // SAFETY: one of MLX C's own values.
    check("compile_mode", unsafe { sys::mlx_set_compile_mode(raw) })
}

/// [`compile`] returns functions as they are from now on, in the whole process.
/// MLX: `disable_compile`.
///
/// # Errors
/// If MLX cannot.
pub fn disable_compile() -> Result<()> {
    init();
    // SAFETY: takes nothing.
    check("disable_compile", unsafe { sys::mlx_disable_compile() })
}

/// Undoes [`disable_compile`], and the environment's `MLX_DISABLE_COMPILE`. MLX: `enable_compile`.
///
/// # Errors
/// If MLX cannot.
pub fn enable_compile() -> Result<()> {
    init();
    // SAFETY: takes nothing.
    check("enable_compile", unsafe { sys::mlx_enable_compile() })
}
