//! Passes Rust closures to MLX C.
//!
//! Tests: `tests/panics.rs`.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

use mlx_sys as sys;

use super::payload::{callback, keep, taken_back};
use crate::array::settled;
use crate::context::Scope;
use crate::error::{from_c, take_message};
use crate::handles::VectorArray;
use crate::init::init;
use crate::live::{live, Live};
use crate::lock;
use crate::{Array, Error, ErrorKind, Result};

thread_local! {
    /// The error of the closure that failed last on this thread: C++ carries only a status.
    static FAILED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Status of a closure that failed, for MLX C to throw.
const FAILURE: c_int = 1;

/// Runs a closure's body for C++: whatever happens in it becomes a status.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> c_int {
    // A function that calls itself would end the process with the stack.
    let body = || {
        match crate::stack::is_enough() {
        true => body(),
        false => Err(Error::invalid(
            "closure",
            "nested closures have used up the thread's stack",
        )
        .with_hint(
            "end the recursion if the function calls itself, or run it on a thread with a larger stack",
        )),
    }
    };
    let error = match lock::released(|| catch_unwind(AssertUnwindSafe(body))) {
        Ok(Ok(())) => return 0,
        Ok(Err(e)) => e,
        Err(payload) => panicked(payload),
    };
    // Fails only while the thread's locals are being destroyed: then the reason is lost.
    let _ = FAILED.try_with(|slot| slot.replace(Some(error)));
    FAILURE
}

/// Drops the payload of a panic. Its destructor may panic in turn, and this frame is below C++.
pub(crate) fn discard(mut payload: Box<dyn Any + Send>) {
    // The payload of a destructor's panic may itself have a destructor that panics.
    for _ in 0..16 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    std::mem::forget(payload);
}

fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let text = match payload.downcast::<String>() {
        Ok(s) => *s,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(s) => (*s).to_owned(),
            Err(payload) => {
                discard(payload);
                "(no message)".to_owned()
            }
        },
    };
    Error::new(ErrorKind::Panic, format!("a closure panicked: {text}"))
}

/// The error of a call that failed: the closure's own if there is one, else MLX's.
#[cold]
pub(crate) fn failure(op: &'static str, inputs: &[Array]) -> Error {
    match FAILED.try_with(RefCell::take).ok().flatten() {
        Some(e) => {
            // MLX's message only says that a closure failed.
            take_message();
            e.with_op(op)
        }
        None => from_c(op, &inputs.iter().collect::<Vec<_>>()),
    }
}

/// Writes a closure's outputs to the place that MLX C reads.
///
/// # Safety
/// `out` leads to a null or valid handle.
pub(super) unsafe fn write(out: *mut sys::mlx_vector_array, arrays: &[Array]) -> Result<()> {
    // MLX looks at the first output without counting them.
    if arrays.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "expected a closure to return one array or more, found none",
        )
        .with_hint("return the value to differentiate first"));
    }
    crate::array::failed::check_inputs(arrays)?;
    // SAFETY: the caller's promise; `Array` is transparent over `mlx_array`.
    let status =
        unsafe { sys::mlx_vector_array_set_data(out, arrays.as_ptr().cast(), arrays.len()) };
    crate::error::check("closure", status)
}

/// Frees the closure that a payload is. MLX calls it once, when the last graph that mentions the
/// closure is gone, maybe on another thread.
pub(super) unsafe extern "C" fn free<F>(payload: *mut c_void) {
    // SAFETY: the payload is what `keep` made where the closure was handed over.
    let f = unsafe { taken_back::<F>(payload) };
    // A destructor that panics must not unwind into C++, and has no caller to report to.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| lock::dropped(f))) {
        discard(payload);
    }
}

trait Callable: Fn(&[Array]) -> Result<Vec<Array>> {}
impl<F: Fn(&[Array]) -> Result<Vec<Array>>> Callable for F {}

callback! {
    F: Callable => call, (out: *mut sys::mlx_vector_array, input: sys::mlx_vector_array),
    |f| {
        // SAFETY: MLX C passes a valid list.
        let input = settled(unsafe { VectorArray::read("closure", input) }?)?;
        let output = f(&input)?;
        // SAFETY: MLX C passes a destination.
        unsafe { write(out, &output) }
    }
}

/// Owns one `mlx_closure`.
#[derive(Debug)]
pub(crate) struct Handle(sys::mlx_closure, live!(Closure));

// SAFETY: the handle holds a C++ function whose parts are counted atomically; the Rust closure in
// it is `Send`, and called on the thread that applies the handle, which needs `&self` there:
// `Handle` is not `Sync`, and a graph's own copies are only called by a transform that recorded
// them itself.
unsafe impl Send for Handle {}

impl Handle {
    /// Hands a Rust closure over to MLX C.
    pub(crate) fn new<F>(f: F) -> Result<Self>
    where
        F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
    {
        init();
        let payload = keep(f);
        // SAFETY: `call` and `free` match the payload's type, which is `Send` and `'static`.
        Self::checked(unsafe {
            sys::mlx_closure_new_func_payload(Some(call::<F>), payload, Some(free::<F>))
        })
    }

    /// Replaces the closure that `self` holds, and reuses its handle.
    pub(super) fn replace(&mut self, other: Self) -> Result<()> {
        // SAFETY: both handles are ours; `other` is freed on return.
        crate::error::check("closure", unsafe {
            sys::mlx_closure_set(&mut self.0, other.0)
        })
    }

    pub(super) fn checked(raw: sys::mlx_closure) -> Result<Self> {
        if raw.ctx.is_null() {
            return Err(from_c("closure", &[]));
        }
        Ok(Self(raw, Live::new()))
    }

    /// The closure that a C function makes of this one.
    pub(super) fn map(
        &self,
        op: &'static str,
        call: impl FnOnce(*mut sys::mlx_closure, sys::mlx_closure) -> c_int,
    ) -> Result<Self> {
        // SAFETY: makes a handle without a value.
        let mut out = Self(unsafe { sys::mlx_closure_new() }, Live::new());
        if call(&mut out.0, self.0) != 0 || out.0.ctx.is_null() {
            return Err(from_c(op, &[]));
        }
        Ok(out)
    }

    pub(crate) fn as_raw(&self) -> sys::mlx_closure {
        self.0
    }

    pub(super) fn apply(&self, op: &'static str, inputs: &[Array]) -> Result<Vec<Array>> {
        let list = VectorArray::new(op, inputs)?;
        let mut out = VectorArray::null();
        let _reading = lock::reading();
        // SAFETY: closure and list are valid, the destination is null.
        if unsafe { sys::mlx_closure_apply(out.as_out(), self.0, list.as_raw()) } != 0 {
            return Err(failure(op, inputs));
        }
        out.to_vec(op)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_closure_free(self.0) };
    }
}

/// A function from arrays to arrays that MLX holds, made by [`super::checkpoint`] or
/// [`super::custom_vjp`].
///
/// `Send`, so that another closure can capture it; not `Sync`.
pub struct Closure {
    pub(super) op: &'static str,
    /// Failing to make a closure is the error of each call, so that models can be built from
    /// closures without a `?` at each layer.
    pub(super) handle: Result<Handle>,
    /// True if only the outputs of a call are kept, so that nothing in it is differentiated.
    pub(super) outputs_only: bool,
}

impl Closure {
    /// Records the function's graph for these inputs and returns its outputs.
    ///
    /// # Errors
    /// Returns the error of the function or of MLX, and an error if the function panics.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let handle = self.handle.as_ref().map_err(Clone::clone)?;
        let _suspended = self.outputs_only.then(Scope::no_gradient);
        handle.apply(self.op, inputs)
    }

    /// Replaces the function with `other`'s, and reuses the handle. The transform stays: a checkpoint stays a
    /// checkpoint.
    ///
    /// # Errors
    /// Returns the error that creating `other` failed with.
    pub fn replace(&mut self, other: Closure) -> Result<()> {
        (self.op, self.outputs_only) = (other.op, other.outputs_only);
        match &mut self.handle {
            Ok(handle) => handle.replace(other.handle?),
            failed => {
                *failed = other.handle;
                failed.as_ref().map(|_| ()).map_err(Clone::clone)
            }
        }
    }
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Closure({})", self.op)
    }
}
