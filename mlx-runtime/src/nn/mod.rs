//! Layers, activations, pooling and losses, with the names and definitions of `mlx.nn`.
//!
//! A body of `#[mlx_model]` calls the layers, whose tensors loading sets. Without the macros a layer is made by its
//! constructor, such as [`Linear::new`]; [`Sequential`] and [`parameters!`](crate::parameters) put layers together,
//! [`value_and_grad`] differentiates them, and [`Parameters`] saves and loads them.
//!
//! Tests: `tests/layers.rs`.

pub(crate) mod activations;
mod attention;
mod batch_norm;
mod cache;
pub(crate) mod conv;
mod dropout;
mod embedding;
pub(crate) mod files;
mod frozen;
mod group_norm;
pub(crate) mod init;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod lora;
pub(crate) mod loss;
pub mod losses;
mod module;
mod multi_head_attention;
pub(crate) mod norm;
pub(crate) mod packed;
pub(crate) mod pair;
mod param;
pub(crate) mod pooling;
mod rope;
mod rope_scaling;
pub(crate) mod scalar;
mod segments;
mod sequential;
mod sharded;
mod switch_linear;

pub use crate::ops::{sigmoid, softmax, tanh};
pub use activations::*;
pub use attention::rope_attention;
#[doc(hidden)]
pub use attention::{attention, joined_attention};
pub use batch_norm::{BatchNorm, BatchNormBuilder};
pub use cache::KvCache;
pub use conv::{Conv1d, Conv2d, ConvBuilder};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use group_norm::{GroupNorm, GroupNormBuilder};
pub use layer_norm::LayerNorm;
pub use linear::{Linear, Weight};
pub use loss::linear_cross_entropy;
#[doc(hidden)]
pub use module::path_of;
pub use module::{value_and_grad, Module, Parameters, TensorKind};
pub use multi_head_attention::{MultiHeadAttention, MultiHeadAttentionBuilder};
#[doc(hidden)]
pub use norm::Norm;
pub use norm::RmsNorm;
pub use param::Param;
pub use pooling::*;
pub use rope::Rope;
pub use rope_scaling::RopeScaling;
pub use segments::Segments;
pub use sequential::Sequential;
pub use sharded::{shard, sum_gradients, AllToShardedLinear, ShardedToAllLinear};
pub use switch_linear::SwitchLinear;
