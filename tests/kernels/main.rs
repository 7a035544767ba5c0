//! Kernels of the row tier on the device: values and gradients against the same composed of MLX's operations, in every
//! dtype, and inside of transforms.

#![forbid(unsafe_code)]

mod basic;
mod check;
mod regions;
