//! Optimisers, schedules and gradient clipping: pure functions that build a graph.
//!
//! Nothing here evaluates or holds arrays: a step takes parameters, gradients and state, and returns new parameters and
//! new state. A trainer gathers parameters into a few flat buffers, so that a step launches a number of kernels that
//! does not grow with the parameters.
//!
//! | | state of each parameter | kernels of a step depend on |
//! |---|---|---|
//! | [`Sgd`] | none, or one value with momentum | the groups |
//! | [`Adam`], [`AdamW`] | two values | the groups |
//! | [`Lion`] | one value | the groups |
//! | [`Adafactor`] | a row and a column of each matrix; one value more with `beta_1` | the different shapes in each group |
//! | [`Muon`] | one value | the different shapes in each group, and `ns_steps` |
//!
//! A group is all trained tensors of one dtype. [`Parts`] chooses an optimiser and hyperparameters for tensors by name
//! and shape, with a group for each. [`guard`] leaves out a step with a loss or gradient that is not finite.
//!
//! Tests: `mlx-tests --test parity_optim`.

mod adafactor;
mod adam;
mod adamw;
mod averages;
mod clip;
mod guard;
mod lion;
mod muon;
mod optimizer;
mod parts;
pub mod schedule;
mod sgd;
mod shapes;
mod state;

pub use adafactor::Adafactor;
pub use adam::Adam;
pub use adamw::AdamW;
pub use clip::{clip_grad_norm, clip_grad_value, grad_norm};
pub use guard::{all_finite, guard, Guarded, Skipped};
pub use lion::Lion;
pub use muon::Muon;
pub use optimizer::Optimizer;
use optimizer::Rate;
pub use parts::Parts;
pub use sgd::Sgd;
pub use shapes::{Run, Shapes};
pub(crate) use state::matching;
pub use state::OptimState;
