//! The layers that models are made of. Their fields are set by loading; `forward` is what a body
//! of `#[mlx_model]` calls.

mod activations;
mod attention;
mod cache;
pub(crate) mod conv;
mod embedding;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod loss;
pub mod losses;
pub(crate) mod norm;
pub(crate) mod packed;
pub(crate) mod pair;
mod param;
mod pooling;
mod rope;
mod rope_scaling;
pub(crate) mod scalar;
mod switch_linear;

pub use activations::{
    celu, elu, gelu, gelu_approx, gelu_fast_approx, glu, hard_shrink, hard_tanh, hardswish,
    leaky_relu, log_sigmoid, log_softmax, mish, prelu, relu, relu2, relu6, selu, silu, softmin,
    softplus, softshrink, softsign,
};
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
pub use pooling::{avg_pool1d, avg_pool2d, max_pool1d, max_pool2d};
pub use rope::Rope;
pub use rope_scaling::RopeScaling;
pub use switch_linear::SwitchLinear;
