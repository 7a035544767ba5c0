//! Normalisation.
//!
//! Tests: `tests/layers.rs`.

use super::init;
use crate::kernels::norm;
use crate::{ops, Array, Dtype, Error, Result};

/// The tensors of a norm, for kernels that compute it with what stands around it.
#[doc(hidden)]
pub trait Norm {
    /// The bias or the weight, as it is stored.
    ///
    /// # Errors
    /// If there is none.
    fn tensor(&self, bias: bool) -> Result<Array>;
}

impl Norm for RmsNorm {
    fn tensor(&self, bias: bool) -> Result<Array> {
        match bias {
            true => Err(absent()),
            false => Ok(self.weight.clone()),
        }
    }
}

pub(super) fn absent() -> Error {
    Error::invalid("norm", "this layer has no bias")
}

/// `y = x / sqrt(mean(x^2) + eps) * (offset + w)` over the last axis (Zhang & Sennrich 2019).
/// `mlx.nn.RMSNorm`, where the offset is 0.
#[derive(Clone)]
pub struct RmsNorm {
    weight: Array,
    eps: f32,
    /// Added to the weight; some checkpoints hold the weight's distance from one.
    offset: f32,
    pub(super) frozen: bool,
    /// The definition says `#[frozen]`.
    pub(super) pinned: bool,
}

impl RmsNorm {
    /// A norm over `dims` values, to be trained: the weight is float32 ones. `mlx.nn.RMSNorm`, whose `eps` is 1e-5.
    ///
    /// # Errors
    /// If `dims` is below 1, or `eps` is negative or no finite number.
    pub fn new(dims: i32, eps: f32) -> Result<Self> {
        init::check_sizes("RmsNorm", &[("number of dims", dims)])?;
        init::check_eps("RmsNorm", eps)?;
        let weight = ops::ones(&[dims], Dtype::Float32)?;
        Ok(Self::from_parts(weight, eps, 0.0, false))
    }

    pub(crate) fn from_parts(weight: Array, eps: f32, offset: f32, frozen: bool) -> Self {
        RmsNorm {
            weight,
            eps,
            offset,
            frozen,
            pinned: false,
        }
    }

    /// `[.., dim] -> [.., dim]`.
    ///
    /// # Errors
    /// If the last dim of `x` is not `dim`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        norm::rms_norm(x, &self.factor()?, self.eps, self.frozen)
    }

    /// The sum of two arrays `[.., dim]` and the norm of the sum.
    ///
    /// # Errors
    /// As [`RmsNorm::forward`].
    pub fn forward_sum(&self, a: &Array, b: &Array) -> Result<(Array, Array)> {
        norm::add_rms_norm(a, b, &self.factor()?, self.eps, self.frozen)
    }

    /// The factor of the normalised values.
    fn factor(&self) -> Result<Array> {
        if self.offset == 0.0 {
            return Ok(self.weight.clone());
        }
        let offset = crate::__private::weak(f64::from(self.offset), &self.weight)?;
        ops::add(&offset, &self.weight)
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        f("weight", &self.weight, !self.frozen);
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        f(&mut self.weight, !self.frozen);
    }
}
