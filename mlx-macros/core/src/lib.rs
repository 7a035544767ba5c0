//! The phases behind `#[mlx_model]`, `#[mlx_fn]` and `#[mlx_kernel]`, as an ordinary library, so that each can be tested.
//!
//! Each phase is a module that imports only the modules declared before it.
//!
//! Tests: `tests/phases.rs`.

#![forbid(unsafe_code)]

pub mod diag;
pub mod syntax;

pub mod ir;

pub mod ops;

pub mod check;

pub mod fuse;

pub mod kernel;

pub mod plan;

pub mod lower;

pub mod report;

pub mod entry;

pub use diag::errors;
pub use entry::model::{analyse, attribute, expand, Whole};
pub use entry::{editor, functions, kernels, source};
