//! Kernels of the row tier: values and gradients in every dtype and size, one node each, inside of transforms and models,
//! with frozen arguments and gradients by hand, and on arrays that no backend holds.

#![forbid(unsafe_code)]

mod basic;
mod check;
mod gradients;
mod layouts;
mod models;
mod regions;
mod transforms;
