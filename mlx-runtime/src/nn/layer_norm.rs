//! Normalisation with a mean.
//!
//! Tests: `tests/layers.rs`.

use super::init;
use super::norm::{absent, Norm};
use super::pair::{of_pair, Pair};
use crate::kernels::norm;
use crate::{Array, Result};

/// `y = (x - mean) / sqrt(var + eps) * w + b` over the last axis (Ba et al. 2016).
/// `mlx.nn.LayerNorm`.
#[derive(Clone)]
pub struct LayerNorm {
    tensors: Pair,
    eps: f32,
}

of_pair!(LayerNorm);

impl LayerNorm {
    /// A norm over `dims` values, to be trained: the weight is float32 ones, the bias zeros. `mlx.nn.LayerNorm`, whose `eps`
    /// is 1e-5.
    ///
    /// # Errors
    /// If `dims` is below 1, or `eps` is negative or no finite number.
    pub fn new(dims: i32, eps: f32, bias: bool) -> Result<Self> {
        init::check_sizes("LayerNorm", &[("number of dims", dims)])?;
        init::check_eps("LayerNorm", eps)?;
        Ok(Self::from_parts(Pair::ones(dims, bias)?, eps))
    }

    pub(crate) fn from_parts(tensors: Pair, eps: f32) -> Self {
        LayerNorm { tensors, eps }
    }

    /// `[.., dim] -> [.., dim]`.
    ///
    /// # Errors
    /// If the last dim of `x` is not `dim`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let (weight, bias) = (&self.tensors.weight, self.tensors.bias.as_ref());
        norm::layer_norm(x, weight, bias, self.eps)
    }
}

impl Norm for LayerNorm {
    fn tensor(&self, bias: bool) -> Result<Array> {
        match bias {
            true => self.tensors.bias.clone().ok_or_else(absent),
            false => Ok(self.tensors.weight.clone()),
        }
    }
}
