//! Function transforms: gradients, checkpoints, compilation; and evaluation.
//!
//! A transform takes a Rust closure from arrays to arrays, `Fn(&[Array]) -> Result<Vec<Array>>`. MLX calls it to record
//! its graph, maybe more than once, and may keep it for as long as that graph lives. So closures are `Send + 'static`
//! and capture by value (a clone of an [`Array`] is a handle). They must be pure: they read and write nothing that
//! changes.
//!
//! An error that a closure returns comes back as the error of the call. A panic is caught before
//! it reaches C++ and comes back as an error of kind [`crate::ErrorKind::Panic`]. Transforms
//! nest in any order; only a compiled function belongs outermost ([`compile`]).
//!
//! Tests: `tests/transforms.rs`.

mod cache;
pub(crate) mod closure;
mod compile;
mod custom;
mod function;
mod grad;
mod stateless;
mod turns;
mod vmap;

use std::cell::Cell;

use mlx_sys as sys;

use crate::error::check;
use crate::handles::VectorArray;
use crate::runtime::enforce;
use crate::{Array, Result};

pub use cache::{compile_as, CompileCache};
pub use closure::Closure;
pub use compile::{
    compile, compile_mode, disable_compile, enable_compile, recordings, CompileMode, Compiled,
};
pub use custom::{checkpoint, custom_vjp, depends};
pub use function::{
    custom_function, unary, CustomFunction, CustomJvp, CustomVjp, CustomVmap, GradientClosure,
    NamedClosure,
};
pub use grad::{grad, jvp, value_and_grad, vjp, Grad, ValueAndGrad};
pub use vmap::{vmap, Vmap};

/// Computes the arrays, and waits for them. MLX: `eval`.
///
/// # Errors
/// Returns the error that any operation of the graphs reports when it runs, and `OutOfMemory` if they would pass the
/// memory limit of a [`crate::runtime::Runtime`].
pub fn eval(arrays: &[&Array]) -> Result<()> {
    let list = VectorArray::from_refs("eval", arrays)?;
    let _lock = crate::lock::graph_lock();
    let _admitted = enforce::admit("eval", arrays, &list)?;
    // SAFETY: the list is valid.
    check("eval", unsafe { sys::mlxrs_eval(list.as_raw()) })
}

/// Starts to compute the arrays, and returns at once. MLX: `async_eval`.
///
/// Reading a value, or [`eval`], waits for it. Not allowed inside a transform.
///
/// # Errors
/// Returns the error that any operation of the graphs reports when it is started. A later error is returned by the call
/// that waits.
pub fn async_eval(arrays: &[&Array]) -> Result<()> {
    let list = VectorArray::from_refs("async_eval", arrays)?;
    let _lock = crate::lock::graph_lock();
    let _admitted = enforce::admit("async_eval", arrays, &list)?;
    // SAFETY: the list is valid.
    check("async_eval", unsafe {
        sys::mlxrs_async_eval(list.as_raw())
    })
}

thread_local! {
    static DIFFERENTIATING: Cell<u32> = const { Cell::new(0) };
    static VECTORISING: Cell<bool> = const { Cell::new(false) };
    static SHAPELESS: Cell<bool> = const { Cell::new(false) };
}

/// True if a function is recorded for any shape now, by [`compile`] or [`crate::export`].
pub(crate) fn is_shapeless() -> bool {
    SHAPELESS.get()
}

/// Sets the value of [`is_shapeless`], until dropped.
pub(crate) struct Shapeless(bool);

impl Shapeless {
    pub(crate) fn enter(yes: bool) -> Self {
        Self(SHAPELESS.replace(yes || SHAPELESS.get()))
    }
}

impl Drop for Shapeless {
    fn drop(&mut self) {
        SHAPELESS.set(self.0);
    }
}

/// Returns true if [`vmap`] or [`jvp`] records the graph that this thread builds now: the kernels of [`crate::cuda`]
/// have no rule for them.
pub(crate) fn is_vectorising() -> bool {
    VECTORISING.get()
}

/// Sets the value of [`is_vectorising`], until dropped.
struct Vectorising(bool);

impl Vectorising {
    fn enter() -> Self {
        Self(VECTORISING.replace(true))
    }
}

impl Drop for Vectorising {
    fn drop(&mut self) {
        VECTORISING.set(self.0);
    }
}

/// Returns true if MLX will differentiate the graph that this thread records now.
///
/// This is so in a closure that [`value_and_grad`], [`grad`], [`vjp`] or [`jvp`] records, and in the second,
/// differentiated run of a checkpointed closure. It is not so outside, nor in the first run of a checkpointed closure,
/// because that run keeps the outputs alone. A forward pass can use it to prepare its gradient only if there will be
/// one.
///
/// ```
/// use mlx_runtime::{ops, transforms, Array};
/// let f = |x: &[Array]| {
///     assert!(transforms::is_differentiating());
///     Ok(vec![ops::square(&x[0])?])
/// };
/// transforms::value_and_grad(f, &[0]).call(&[Array::scalar(2.0f32)?])?;
/// assert!(!transforms::is_differentiating());
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn is_differentiating() -> bool {
    DIFFERENTIATING.get() > 0
}

/// Sets the depth that [`is_differentiating`] reads, until dropped.
struct Differentiating(u32);

impl Differentiating {
    /// One level deeper.
    fn enter() -> Self {
        Self(DIFFERENTIATING.replace(DIFFERENTIATING.get() + 1))
    }

    /// Differentiates nothing until dropped.
    fn suspend() -> Self {
        Self(DIFFERENTIATING.replace(0))
    }
}

impl Drop for Differentiating {
    fn drop(&mut self) {
        DIFFERENTIATING.set(self.0);
    }
}
