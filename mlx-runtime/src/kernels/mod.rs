//! Kernels that the macros write.

pub mod rows;
