//! Normalisation with a mean.

use super::pair::{of_pair, Pair};
use crate::{ops, Array, Result};

/// `y = (x - mean) / sqrt(var + eps) * w + b` over the last axis (Ba et al. 2016).
/// `mlx.nn.LayerNorm`.
#[derive(Clone)]
pub struct LayerNorm {
    tensors: Pair,
    eps: f32,
}

of_pair!(LayerNorm);

impl LayerNorm {
    pub(crate) fn new(tensors: Pair, eps: f32) -> Self {
        LayerNorm { tensors, eps }
    }

    /// `[.., dim] -> [.., dim]`.
    ///
    /// # Errors
    /// If the last dim of `x` is not `dim`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let (weight, bias) = (&self.tensors.weight, self.tensors.bias.as_ref());
        ops::fast::layer_norm(x, Some(weight), bias, self.eps)
    }
}
