//! Optimisers, schedules and gradient clipping: pure functions that build a graph.
//!
//! Nothing here evaluates or holds arrays of its own: a step takes parameters, gradients and
//! state, and returns new parameters and new state. A trainer gathers parameters into a few flat
//! buffers, so that a step launches a number of kernels that does not grow with the parameters.

mod adamw;
mod clip;
pub mod schedule;

pub use adamw::{AdamW, OptimState};
pub use clip::clip_grad_norm;
