//! The safe Rust API over MLX C: arrays, operations, transforms, files and optimisers.
//!
//! Tests: `mlx-tests --test api`.
//!
//! Depend on this crate, and on `mlx-macros` for the model DSL. This crate and `mlx-sys` hold all `unsafe` code of the
//! project.
//!
//! - [`Array`] is a lazy n-dimensional array. [`ops`], [`fft`] and [`linalg`] build arrays from arrays, under MLX's names.
//! - [`transforms`] differentiate, checkpoint, compile and evaluate.
//! - [`model`] and [`nn`] are the parts that generated models are made of: loading, LoRA, training steps, layers.
//! - [`device`], [`stream`] and [`memory`] choose where work runs and how much memory it may use. [`Runtime`] sets them from
//!   the machine, and [`monitor`] samples what the process uses.
//! - [`random`], [`optim`] and [`io`] are keys and distributions, optimisers, and files.
//! - [`explain`] describes the computation of a model.
//!
//! # Operators
//!
//! An operator is an operation and returns an [`Array`], so that expressions need no `?`. Where the operation is refused,
//! for example because the shapes do not fit, the array is a *failed* one: the next function that gets it, and reading its
//! value, return the first error. [`Array::check`] returns it at once.
//!
//! Numbers stand on either side and take the array's dtype, see [`Operand`]. On the left they are `bool`, `i32`, `f64` or
//! [`Complex32`], on the right of any type.
//!
//! `+ - * / % & | ^ << >> -a !a` have the meaning of Python (`!` is its `~`). Comparisons, `power`, `matmul` and
//! `floor_divide` are methods, because a Rust operator cannot return an array of truth values, or does not exist. There is
//! no `+=`, because arrays are immutable. [`s!`] writes Python's indices.
//!
//! ```
//! use mlx_runtime::{ops, s, Array};
//! let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
//! let b = Array::from_slice(&[10.0f32, 20.0], &[2])?;
//! let c = (&a + &b) * &a - &b;
//! let d = ops::exp(&a)? * 0.0 + 2.0 * &a + &b;
//! assert_eq!(c.index(s![-1, ..])?.to_vec::<f32>()?, [29.0, 76.0]);
//! assert_eq!(d.greater(&c)?.to_vec::<bool>()?, [true, false, false, false]);
//! let wrong = 1.0 - (&a + ops::ones(&[3], a.dtype())?);
//! assert!(ops::exp(&wrong).unwrap_err().to_string().starts_with("add: "));
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! # Conversions
//!
//! `Array::try_from` takes numbers, slices, vectors and nested lists (`[[1.0f32, 2.0], [3.0, 4.0]]`), and with the feature
//! `ndarray` the arrays of that crate, of every element type. Vectors and owned arrays become arrays without a copy.
//! [`Array::as_slice`] and `as_ndarray` are views of the array's memory; [`Array::to_vec`] and `to_ndarray` copy any layout.
//!
//! # Threads
//!
//! A type that is not listed is `Send` and `Sync`; the compiler checks every type (`tests/threads.rs`).
//!
//! - [`Array`], and types that hold arrays (layers, weights, models, training steps, the state of an optimiser,
//!   [`random::Key`]), are `Send`, not `Sync`: give each thread a clone. Threads may hold clones of an array that is not
//!   evaluated: one evaluates it while others build on it, transform it, read its graph or drop it. One thread at a time
//!   evaluates, and one at a time transforms.
//! - The functions of [`transforms`], except for the next two, are `Send`, not `Sync`. The Rust closure inside is `Send`, so
//!   that one may capture another; sharing one would call it from two threads at once.
//! - [`transforms::Compiled`], [`transforms::CompileCache`], [`export::Exporter`] and [`export::ImportedFunction`] are
//!   neither. MLX's cache of recorded graphs belongs to the thread, and is changed without a lock.
//! - [`stream::Stream`] is neither. The worker that executes its work lives with the thread that made it.
//!   [`stream::ThreadLocalStream`] stands for one stream in each thread and is both.
//! - [`ops::fast::Mask`], [`Index`] and other options that borrow an array are neither, because a reference to an array is
//!   not `Send`.
//! - [`low_level::containers`], [`low_level::graph::NodeNamer`], [`io::GgufFile`] and compiled kernels are neither. They
//!   are handles of unguarded C++ containers, and none needs to leave the thread that fills it.
//!
//! # Errors
//!
//! No function panics on a caller's arguments. Every failure is an [`Error`] that names the operation and the shapes of
//! its inputs, with a hint if there is one.
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

// Generated code names this crate by its path from outside.
extern crate self as mlx_runtime;

mod array;
mod context;
pub mod cpu;
pub mod device;
pub mod distributed;
mod dtype;
mod error;
pub mod explain;
pub mod export;
pub mod fft;
mod forecast;
mod generated;
mod handles;
mod init;
pub mod io;
#[doc(hidden)]
pub mod kernels;
pub mod linalg;
mod lock;
pub mod low_level;
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

pub(crate) use low_level::{backend, containers, graph, live};

pub use array::{Array, Index, Nested, Operand};
pub use backend::version;
pub use dtype::{Dtype, Element};
pub use error::{Error, ErrorKind, Result};
pub use half::{bf16, f16};
pub use num_complex::Complex32;
pub use runtime::Runtime;
