//! The layers that models are made of. Their fields are set by loading; `forward` is what a body
//! of `#[mlx_model]` calls.

mod attention;
mod cache;
pub(crate) mod conv;
mod embedding;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod norm;
pub(crate) mod packed;
pub(crate) mod pair;
mod param;
mod rope;
mod rope_scaling;
mod switch_linear;

#[doc(hidden)]
pub use attention::joined_attention;
pub use attention::rope_attention;
pub(crate) use attention::{causal, whole};
pub use cache::KvCache;
pub use conv::{Conv1d, Conv2d};
pub use embedding::Embedding;
pub use layer_norm::LayerNorm;
pub use linear::{Linear, Weight};
pub use loss::linear_cross_entropy;
pub use norm::RmsNorm;
pub use param::Param;
pub use rope::Rope;
pub use rope_scaling::RopeScaling;
pub use switch_linear::SwitchLinear;
