//! Attention with projections.
//!
//! Tests: `tests/layers.rs`.

use super::module::Module;
use super::{init, Linear};
use crate::kernels::attention::{causal, whole};
use crate::ops::{self, fast};
use crate::random::Key;
use crate::{Array, Result};

/// Scaled dot product attention of several heads between linear projections (Vaswani et al. 2017).
/// `mlx.nn.MultiHeadAttention`: tensors are named `query_proj.weight`, `key_proj.weight`, `value_proj.weight` and
/// `out_proj.weight`.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    heads: i32,
    query_proj: Linear,
    key_proj: Linear,
    value_proj: Linear,
    out_proj: Linear,
}

crate::parameters!(MultiHeadAttention {
    query_proj,
    key_proj,
    value_proj,
    out_proj
});

/// Options of a [`MultiHeadAttention`].
#[derive(Clone, Debug)]
pub struct MultiHeadAttentionBuilder {
    dims: i32,
    heads: i32,
    query_input_dims: i32,
    key_input_dims: i32,
    value_input_dims: Option<i32>,
    value_dims: i32,
    value_output_dims: i32,
    bias: bool,
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $t:ty => $value:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $t) -> Self {
            self.$name = $value;
            self
        }
    )*};
}

impl MultiHeadAttentionBuilder {
    options! {
        /// The size of the queries; `dims` unless given.
        query_input_dims: i32 => query_input_dims;
        /// The size of the keys; `dims` unless given.
        key_input_dims: i32 => key_input_dims;
        /// The size of the values; the size of the keys unless given.
        value_input_dims: i32 => Some(value_input_dims);
        /// The size of the projected values; `dims` unless given.
        value_dims: i32 => value_dims;
        /// The size of the result; `dims` unless given.
        value_output_dims: i32 => value_output_dims;
        /// There are biases if this is true.
        bias: bool => bias;
    }

    /// The layer in float32, to be trained, with the initial values of [`Linear::new`].
    ///
    /// # Errors
    /// If a size is below 1 or cannot be divided by the number of heads.
    pub fn build(&self, key: &Key) -> Result<MultiHeadAttention> {
        let (dims, values) = (self.dims, self.value_dims);
        init::check_parts("MultiHeadAttention", "dims", dims, self.heads)?;
        init::check_parts("MultiHeadAttention", "value dims", values, self.heads)?;
        let value_inputs = self.value_input_dims.unwrap_or(self.key_input_dims);
        let (first, second) = key.split()?;
        let ((a, b), (c, d)) = (first.split()?, second.split()?);
        Ok(MultiHeadAttention {
            heads: self.heads,
            query_proj: Linear::new(self.query_input_dims, dims, self.bias, &a)?,
            key_proj: Linear::new(self.key_input_dims, dims, self.bias, &b)?,
            value_proj: Linear::new(value_inputs, values, self.bias, &c)?,
            out_proj: Linear::new(values, self.value_output_dims, self.bias, &d)?,
        })
    }
}

impl MultiHeadAttention {
    /// A layer of `heads` heads without biases, all sizes `dims`.
    ///
    /// # Errors
    /// If a size is below 1, or `dims` cannot be divided by the number of heads.
    pub fn new(dims: i32, heads: i32, key: &Key) -> Result<Self> {
        Self::builder(dims, heads).build(key)
    }

    /// Options of a layer of `heads` heads.
    pub fn builder(dims: i32, heads: i32) -> MultiHeadAttentionBuilder {
        MultiHeadAttentionBuilder {
            dims,
            heads,
            query_input_dims: dims,
            key_input_dims: dims,
            value_input_dims: None,
            value_dims: dims,
            value_output_dims: dims,
            bias: false,
        }
    }

    /// `queries [B, L, ..]`, `keys` and `values [B, S, ..]` -> `[B, L, value_output_dims]`. A mask broadcasts to
    /// `[B, heads, L, S]`.
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn attend(
        &self,
        queries: &Array,
        keys: &Array,
        values: &Array,
        mask: fast::Mask<'_>,
    ) -> Result<Array> {
        let split = |layer: &Linear, x: &Array| {
            let y = ops::unflatten(&layer.forward(x)?, -1, &[self.heads, -1])?;
            whole(&ops::transpose(&y, &[0, 2, 1, 3])?)
        };
        let q = split(&self.query_proj, queries)?;
        let (k, v) = (
            split(&self.key_proj, keys)?,
            split(&self.value_proj, values)?,
        );
        let scale = 1.0 / (q.dim(-1)?.max(1) as f32).sqrt();
        let y = match mask {
            fast::Mask::Causal => causal(&q, &k, &v, scale)?,
            mask => fast::scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?,
        };
        let y = ops::flatten(&ops::transpose(&y, &[0, 2, 1, 3])?, -2, -1)?;
        self.out_proj.forward(&y)
    }
}

impl Module for MultiHeadAttention {
    /// Self-attention without a mask.
    fn forward(&self, x: &Array) -> Result<Array> {
        self.attend(x, x, x, fast::Mask::None)
    }
}
