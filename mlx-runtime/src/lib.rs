//! The safe Rust API over MLX C: arrays, operations, transforms, files and optimisers.
//!
//! Depend on this crate (and on `mlx-macros` for the model DSL). It holds, with `mlx-sys`, all
//! the `unsafe` code of the project.
//!
//! - [`Array`] is a lazy n-dimensional array; [`ops`] build arrays from arrays, under MLX's names.
//! - [`transforms`] differentiate, checkpoint, compile and evaluate.
//! - [`device`], [`stream`] and [`memory`] say where work runs and what it may use; [`Runtime`] sets
//!   them up from the machine, and [`monitor`] reads what goes on.
//! - [`random`], [`optim`] and [`io`] complete what a trainer needs.
//!
//! # Operators
//!
//! An operator is an operation and returns `Result<Array>`, too. A result may stand on either side
//! of an array, so that a chain has one `?` at its end; between two results, or a result and a
//! number, there is another one, since Rust lets no crate define an operator for two types of others. Numbers stand on either side
//! and take the array's dtype, see [`Operand`]; on the left they are `bool`, `i32`, `f64` or
//! [`Complex32`], on the right of any type. `+ - * / % & | ^ << >> -a !a` are those of Python (`!` is
//! its `~`); comparisons, `power`, `matmul` and `floor_divide` are methods, as a Rust operator cannot
//! return an array of truth values or does not exist. There is no `+=`: it could not return an error.
//! [`s!`] writes Python's indices.
//!
//! ```
//! use mlx_runtime::{s, Array};
//! let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
//! let b = Array::from_slice(&[10.0f32, 20.0], &[2])?;
//! let c = ((&a + &b) * &a - &b)?;
//! let d = (&b + 2.0 * &a)?;
//! assert_eq!(c.index(s![-1, ..])?.to_vec::<f32>()?, [29.0, 76.0]);
//! assert_eq!(d.greater(&c)?.to_vec::<bool>()?, [true, false, false, false]);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! # Conversions
//!
//! `Array::try_from` takes numbers, slices, vectors and nested lists (`[[1.0f32, 2.0], [3.0, 4.0]]`),
//! and with the feature `ndarray` the arrays of that crate, of every element type. Vectors and owned
//! arrays are taken over; [`Array::as_slice`] and `as_ndarray` are views of the array's own memory,
//! [`Array::to_vec`] and `to_ndarray` copies of any layout.
//!
//! # Threads
//!
//! What is not listed is `Send` and `Sync`; the compiler checks all of it (`tests/threads.rs`).
//!
//! - [`Array`] and what holds arrays (layers, weights, models, training steps, the state of an
//!   optimiser, [`random::Key`]): `Send`, not `Sync`: a thread gets a handle of its own, a clone. Threads may hold
//!   clones of an array that is not evaluated: one evaluates it while others build on it, transform it, read its
//!   graph or drop it. One thread at a time evaluates, and one at a time transforms.
//! - The functions of [`transforms`] but for the next two: `Send`, not `Sync`. The Rust closure inside is
//!   `Send`, so that one may capture another; sharing one would call it from two threads at once.
//! - [`transforms::Compiled`], [`transforms::CompileCache`], [`export::Exporter`],
//!   [`export::ImportedFunction`]: neither. MLX's cache of recorded graphs belongs to the thread, and
//!   is changed without a lock.
//! - [`stream::Stream`]: neither. What executes its work lives with the thread that made it;
//!   [`stream::ThreadLocalStream`] stands for one in each thread and is both.
//! - [`ops::fast::Mask`], [`Index`] and other options that borrow an array: neither, since a reference
//!   to an array is not `Send`.
//! - [`containers`], [`distributed::Group`], [`graph::NodeNamer`], [`io::GgufFile`], compiled kernels:
//!   neither. They are handles of C++ containers, which nothing guards; none needs to leave the
//!   thread that fills it.
//!
//! # Errors
//!
//! No function panics on what a caller passes in: every failure is an [`Error`] that names the
//! operation and the shapes of its inputs, with a hint where there is something to do.
//!
//! ```
//! use mlx_runtime::{ops, transforms, Array};
//! // The gradient of sum(x^2) is 2x.
//! let f = |x: &[Array]| Ok(vec![ops::sum(&ops::square(&x[0])?, &[], false)?]);
//! let (value, grads) = transforms::value_and_grad(f, &[0])
//!     .call(&[Array::from_slice(&[1.0f32, 2.0, 3.0], &[3])?])?;
//! assert_eq!(value[0].item::<f32>()?, 14.0);
//! assert_eq!(grads[0].to_vec::<f32>()?, [2.0, 4.0, 6.0]);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```

mod array;
pub mod backend;
pub mod containers;
pub mod cpu;
mod cuda;
pub mod device;
pub mod distributed;
mod dtype;
mod error;
pub mod explain;
pub mod export;
pub mod fft;
mod forecast;
#[doc(hidden)]
pub mod fused;
mod generated;
pub mod graph;
mod handles;
pub mod io;
pub mod linalg;
pub mod live;
mod lock;
pub mod memory;
pub mod model;
pub mod monitor;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod random;
pub mod runtime;
mod stack;
pub mod stream;
pub mod transforms;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use array::{Array, Index, Nested, Operand};
pub use backend::version;
pub use dtype::{Dtype, Element};
pub use error::{Error, ErrorKind, Result};
pub use half::{bf16, f16};
pub use num_complex::Complex32;
pub use runtime::Runtime;
