//! Kernels of the row tier on the device: values and gradients against the same composed of MLX's operations, in every
//! dtype, with NaN and infinity, and inside of transforms.

#![forbid(unsafe_code)]

mod basic;
mod check;
mod committed;
mod regions;
