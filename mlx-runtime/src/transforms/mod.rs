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
mod compile_mode;
mod custom;
mod function;
mod grad;
mod payload;
mod turns;
mod vmap;

use mlx_sys as sys;

use crate::error::check;
use crate::handles::VectorArray;
use crate::runtime::enforce::{self, Check};
use crate::{context, Array, Result};

pub use cache::{compile_as, CompileCache};
pub use closure::Closure;
pub use compile::{compile, recordings, Compiled};
pub(crate) use compile_mode::without_fusing;
pub use compile_mode::{compile_mode, disable_compile, enable_compile, CompileMode};
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
    eval_as(arrays, Check::Limit)
}

/// [`eval`] with a check of the caller's choice.
pub(crate) fn eval_as(arrays: &[&Array], how: Check) -> Result<()> {
    let list = VectorArray::from_refs("eval", arrays)?;
    let _lock = crate::lock::graph_lock();
    let _admitted = enforce::admit("eval", arrays, &list, how)?;
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
    async_eval_as(arrays, Check::Limit)
}

/// [`async_eval`] with a check of the caller's choice.
pub(crate) fn async_eval_as(arrays: &[&Array], how: Check) -> Result<()> {
    let list = VectorArray::from_refs("async_eval", arrays)?;
    let _lock = crate::lock::graph_lock();
    let _admitted = enforce::admit("async_eval", arrays, &list, how)?;
    // SAFETY: the list is valid.
    check("async_eval", unsafe {
        sys::mlxrs_async_eval(list.as_raw())
    })
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
    context::is_differentiating()
}
