//! [`Array`]: one owned handle of MLX C.
//!
//! Tests: `tests/operators.rs`, `tests/display.rs`.

mod convert;
pub(crate) mod failed;
mod host;
pub(crate) mod indexing;
mod layout;
mod methods;
#[cfg(feature = "ndarray")]
mod ndarray;
mod operand;
mod operators;
#[cfg(feature = "serde")]
mod serde;

pub use convert::Nested;
pub(crate) use failed::check_inputs;
pub use indexing::Index;
pub(crate) use operand::weak;
pub use operand::Operand;

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use mlx_sys as sys;

use crate::error::{check, from_c};
use crate::handles::{MlxString, VectorArray};
use crate::init::init;
use crate::live::{live, Live};
use crate::runtime::enforce;
use crate::{Dtype, Error, Result};

/// An n-dimensional array, or the recipe for one: operations build a graph that is computed when
/// a value is needed ([`Array::eval`], [`Array::item`], [`crate::transforms::eval`]).
///
/// Owns one `mlx_array` handle, which is never null. `Clone` copies the handle, not the data.
/// Arrays are immutable: no operation changes one that exists.
///
/// # Threads
///
/// `Send`, not `Sync`: each thread has a clone. MLX counts references atomically and locks its allocator, scheduler
/// and caches, so a handle may be used and freed on any thread. What it does not lock is a graph node's own state:
/// this crate lets one thread at a time evaluate, and keeps a node in its graph while another thread reads the graph.
/// So threads may hold clones of an array that is not evaluated. It belongs to its stream, and on a GPU a stream to
/// its thread: evaluating it elsewhere is an error there ([`crate::ErrorKind::Device`]).
///
/// ```
/// use mlx_runtime::{ops, Array};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = ops::matmul(&a, &a)?;
/// assert_eq!(b.shape(), &[2, 2]);
/// assert_eq!(b.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
// Transparent, so that a slice of arrays is a slice of handles for the C side.
#[repr(transparent)]
pub struct Array {
    handle: NonNull<c_void>,
    not_sync: PhantomData<std::cell::Cell<()>>,
    /// Counts the handle.
    #[allow(dead_code)] // dropped with it
    live: live!(Array),
}

// SAFETY: see "Threads" in the type's docs: counts are atomic. What evaluation writes, it writes under `graph_lock`;
// what another thread reads of a graph stays as it is while `lock::reading` says so; and siblings, which dropping a
// handle looks at, are read and freed under a lock (`mlx-sys/native/graph/graph_guard.cpp`).
unsafe impl Send for Array {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Array>();
    assert!(std::mem::size_of::<Array>() == std::mem::size_of::<sys::mlx_array>());
    assert!(std::mem::align_of::<Array>() == std::mem::align_of::<sys::mlx_array>());
};

// `Array: !Sync`, checked by ambiguity: if it were `Sync`, both impls would apply.
const _: fn() = || {
    trait AmbiguousIfSync<A> {
        fn some_item() {}
    }
    impl<T: ?Sized> AmbiguousIfSync<()> for T {}
    impl<T: ?Sized + Sync> AmbiguousIfSync<u8> for T {}
    let _ = <Array as AmbiguousIfSync<_>>::some_item;
};

impl Array {
    /// Takes over a handle that MLX C made. A null handle becomes the error of `op`.
    #[inline]
    pub(crate) fn from_handle(raw: sys::mlx_array, op: &'static str) -> Result<Self> {
        match NonNull::new(raw.ctx) {
            Some(handle) => Ok(Self {
                handle,
                not_sync: PhantomData,
                live: Live::new(),
            }),
            None => Err(from_c(op, &[])),
        }
    }

    /// Takes over a handle from a call that said it succeeded.
    ///
    /// # Errors
    /// If the handle is null.
    ///
    /// # Safety
    /// `raw` is null, or a handle that MLX C returned and nothing else owns.
    #[doc(hidden)]
    pub unsafe fn from_raw(raw: sys::mlx_array) -> Result<Self> {
        Self::from_handle(raw, "from_raw")
    }

    /// The handle; valid while `self` is.
    #[doc(hidden)]
    #[inline]
    pub fn as_raw(&self) -> sys::mlx_array {
        sys::mlx_array {
            ctx: self.handle.as_ptr(),
        }
    }

    /// The size of each dimension, outermost first. Known without evaluating.
    #[inline]
    pub fn shape(&self) -> &[i32] {
        let n = self.ndim();
        if n == 0 {
            return &[];
        }
        // SAFETY: the handle is valid; MLX stores `n` C ints, which do not move or change while
        // the array lives, and `self` keeps it alive.
        unsafe {
            let p = sys::mlx_array_shape(self.as_raw());
            if p.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(p, n)
        }
    }

    /// The size of dimension `axis`; negative axes count from the last.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if there is no such axis.
    pub fn dim(&self, axis: i32) -> Result<i32> {
        failed::check_inputs([self])?;
        let shape = self.shape();
        let index = if axis < 0 {
            i64::from(axis) + shape.len() as i64
        } else {
            i64::from(axis)
        };
        usize::try_from(index)
            .ok()
            .filter(|i| *i < shape.len())
            // SAFETY: the handle is valid, and the axis exists.
            .map(|_| unsafe { sys::mlx_array_dim(self.as_raw(), axis) })
            .ok_or_else(|| {
                Error::shape(
                    "dim",
                    format!("axis {axis} is out of range for shape {shape:?}"),
                )
            })
    }

    /// The number of dimensions; 0 for a scalar.
    #[inline]
    pub fn ndim(&self) -> usize {
        // SAFETY: the handle is valid, so the getter cannot fail.
        unsafe { sys::mlx_array_ndim(self.as_raw()) }
    }

    /// The number of elements.
    #[inline]
    pub fn size(&self) -> usize {
        // SAFETY: the handle is valid, so the getter cannot fail.
        unsafe { sys::mlx_array_size(self.as_raw()) }
    }

    /// The number of bytes that the elements take.
    #[inline]
    pub fn nbytes(&self) -> usize {
        // SAFETY: the handle is valid, so the getter cannot fail.
        unsafe { sys::mlx_array_nbytes(self.as_raw()) }
    }

    /// The type of the elements.
    #[inline]
    pub fn dtype(&self) -> Dtype {
        // SAFETY: the handle is valid, so the getter cannot fail.
        let raw = unsafe { sys::mlx_array_dtype(self.as_raw()) };
        // The table covers every dtype of the MLX version that this crate is built with.
        Dtype::from_raw(raw).unwrap_or(Dtype::Bool)
    }

    /// Computes the array, and waits for it.
    ///
    /// # Errors
    /// The error that an operation of its graph reports when it runs.
    pub fn eval(&self) -> Result<()> {
        failed::check_inputs([self])?;
        if enforce::is_on() || self.nbytes() > enforce::host() {
            return crate::transforms::eval(&[self]);
        }
        let _lock = crate::lock::graph_lock();
        // SAFETY: the handle is valid.
        check("eval", unsafe { sys::mlxrs_array_eval(self.as_raw()) })
    }
}

impl Array {
    /// The array, or a constant in its place if it has no elements.
    ///
    /// MLX's kernels and gradients divide by sizes and walk over axes that have none. A constant is
    /// never computed, and no gradient leads through it: there is no element to have one. In a function
    /// recorded for any shape an axis may have elements later on, so that nothing is replaced.
    #[inline]
    pub(crate) fn settled(self) -> Result<Array> {
        match self.size() {
            0 if !crate::context::is_shapeless() => Self::empty(self.shape(), self.dtype()),
            _ => Ok(self),
        }
    }

    /// A constant of a shape without elements.
    #[cold]
    pub(crate) fn empty(shape: &[i32], dtype: Dtype) -> Result<Array> {
        let nothing = NonNull::<u128>::dangling().as_ptr().cast();
        let (at, n) = (shape.as_ptr(), shape.len() as std::ffi::c_int);
        // SAFETY: the shape has `n` entries; no element of the data is read, because there is none.
        let raw = unsafe { sys::mlx_array_new_data(nothing, at, n, dtype.as_raw()) };
        Self::from_handle(raw, "empty")
    }
}

impl Clone for Array {
    /// Another handle to the same array: no data is copied.
    fn clone(&self) -> Self {
        let mut out = sys::mlx_array {
            ctx: std::ptr::null_mut(),
        };
        // SAFETY: the source handle is valid and the destination is null, so MLX C allocates one.
        unsafe { sys::mlx_array_set(&mut out, self.as_raw()) };
        match NonNull::new(out.ctx) {
            Some(handle) => Self {
                handle,
                not_sync: PhantomData,
                live: Live::new(),
            },
            // Copying a handle allocates a few bytes: failing means that the heap is exhausted,
            // where Rust's own collections abort as well.
            None => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[usize; 2]>()),
        }
    }
}

impl Drop for Array {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` owns the handle, and this is its last use.
        unsafe { sys::mlx_array_free(self.as_raw()) };
    }
}

impl fmt::Debug for Array {
    /// Shape and dtype only: never evaluates. Of a failed array the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.failure() {
            return write!(f, "Array(failed: {error})");
        }
        write!(f, "Array({}{:?})", self.dtype(), self.shape())
    }
}

impl fmt::Display for Array {
    /// As MLX's Python prints it, the middle of long axes left out. Evaluates the array; where
    /// that fails, prints why.
    ///
    /// ```
    /// use mlx_runtime::{ops, Array};
    /// let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3])?;
    /// assert_eq!(a.to_string(), "array([[1, 2, 3],\n       [4, 5, 6]], dtype=int32)");
    /// assert_eq!(ops::greater(&a, &a)?.to_string().lines().next(), Some("array([[False, False, False],"));
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.eval().and_then(|()| MlxString::of_array(self)) {
            // Python's module tells MLX to write these two as Python does; MLX C cannot.
            Ok(text) if self.dtype() == Dtype::Bool => {
                let text = text.to_string_lossy().replace("true", "True");
                f.write_str(&text.replace("false", "False"))
            }
            Ok(text) => f.write_str(&text.to_string_lossy()),
            Err(e) => write!(f, "{self:?}: {}", e.to_string().replace('\n', "; ")),
        }
    }
}

/// Builds one array with one C call on the thread's current stream: no allocation in Rust, one
/// check of the status and the handle.
#[inline]
pub(crate) fn build(
    op: &'static str,
    inputs: &[&Array],
    call: impl FnOnce(*mut sys::mlx_array, sys::mlx_stream) -> std::ffi::c_int,
) -> Result<Array> {
    failed::check_inputs(inputs.iter().copied())?;
    let stream = crate::stream::current()?;
    let mut out = sys::mlx_array {
        ctx: std::ptr::null_mut(),
    };
    let status = call(&mut out, stream);
    match NonNull::new(out.ctx) {
        Some(handle) if status == 0 => Array {
            handle,
            not_sync: PhantomData,
            live: Live::new(),
        }
        .settled(),
        _ => Err(from_c(op, inputs)),
    }
}

/// As [`build`], for a call that makes a list of arrays.
pub(crate) fn build_many(
    op: &'static str,
    inputs: &[&Array],
    call: impl FnOnce(*mut sys::mlx_vector_array, sys::mlx_stream) -> std::ffi::c_int,
) -> Result<Vec<Array>> {
    failed::check_inputs(inputs.iter().copied())?;
    let stream = crate::stream::current()?;
    let mut out = VectorArray::null();
    if call(out.as_out(), stream) != 0 {
        return Err(from_c(op, inputs));
    }
    settled(out.to_vec(op)?)
}

/// [`Array::settled`] of each.
pub(crate) fn settled(arrays: Vec<Array>) -> Result<Vec<Array>> {
    arrays.into_iter().map(Array::settled).collect()
}

/// As [`build`], for a call that makes two arrays.
pub(crate) fn build_two(
    op: &'static str,
    inputs: &[&Array],
    call: impl FnOnce(*mut sys::mlx_array, *mut sys::mlx_array, sys::mlx_stream) -> std::ffi::c_int,
) -> Result<(Array, Array)> {
    failed::check_inputs(inputs.iter().copied())?;
    let stream = crate::stream::current()?;
    // SAFETY: makes handles without a value.
    let (mut a, mut b) = unsafe { (sys::mlx_array_new(), sys::mlx_array_new()) };
    let status = call(&mut a, &mut b, stream);
    // First of all: MLX's reason is there to be taken once, and a handle that is null asks for it, too.
    let failed = (status != 0).then(|| from_c(op, inputs));
    // Both are taken over before anything can fail.
    let (a, b) = (Array::from_handle(a, op), Array::from_handle(b, op));
    match failed {
        Some(error) => Err(error),
        None => Ok((a?.settled()?, b?.settled()?)),
    }
}

/// The handle of an optional input; null stands for "absent".
#[inline]
pub(crate) fn optional(a: Option<&Array>) -> sys::mlx_array {
    sys::mlx_array {
        ctx: a.map_or(std::ptr::null_mut(), |a| a.handle.as_ptr()),
    }
}

/// For calls that take no stream and may be the first ones into MLX.
#[inline]
pub(crate) fn ready() {
    init();
}
