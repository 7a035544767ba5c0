//! The layers that models are made of. Their fields are set by loading; `forward` is what a body
//! of `#[mlx_model]` calls.

mod attention;
mod cache;
mod embedding;
pub(crate) mod linear;
mod loss;
pub(crate) mod norm;
pub(crate) mod packed;
mod param;
mod rope;

pub use attention::rope_attention;
pub use cache::KvCache;
pub use embedding::Embedding;
pub use linear::{Linear, Weight};
pub use loss::{linear_cross_entropy, linear_cross_entropy_each};
pub use norm::RmsNorm;
pub use param::Param;
pub use rope::{Rope, RopeScaling};
