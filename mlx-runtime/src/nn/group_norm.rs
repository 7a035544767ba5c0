//! Normalisation over groups of features.
//!
//! Tests: `tests/layers.rs`.

use std::fmt;

use super::batch_norm::apply;
use super::init;
use super::module::{describe, Module, Parameters, TensorKind};
use super::pair::Pair;
use super::scalar::shifted;
use crate::model::loader::join;
use crate::ops::{self, fast, reshape, transpose};
use crate::{Array, Error, Result};

/// `y = (x - mean) / sqrt(var + eps) * w + b` with mean and variance over the middle axes and a group of features (Wu & He
/// 2018). `mlx.nn.GroupNorm`.
#[derive(Clone)]
pub struct GroupNorm {
    groups: i32,
    features: i32,
    eps: f32,
    affine: Option<Pair>,
    pytorch_compatible: bool,
}

/// Options of a [`GroupNorm`].
#[derive(Clone, Debug)]
pub struct GroupNormBuilder {
    groups: i32,
    features: i32,
    eps: f32,
    affine: bool,
    pytorch_compatible: bool,
}

impl GroupNormBuilder {
    /// Added to the variance; 1e-5 unless given.
    #[must_use]
    pub fn eps(self, eps: f32) -> Self {
        GroupNormBuilder { eps, ..self }
    }

    /// There are a weight and a bias unless this is false.
    #[must_use]
    pub fn affine(self, affine: bool) -> Self {
        GroupNormBuilder { affine, ..self }
    }

    /// Neighbouring features make a group, as in PyTorch, if this is true. Otherwise feature `i` belongs to group
    /// `i % groups`, as in MLX.
    #[must_use]
    pub fn pytorch_compatible(self, pytorch_compatible: bool) -> Self {
        GroupNormBuilder {
            pytorch_compatible,
            ..self
        }
    }

    /// The layer in float32.
    ///
    /// # Errors
    /// If the features cannot be divided by the groups, or `eps` is out of range.
    pub fn build(&self) -> Result<GroupNorm> {
        init::check_parts("GroupNorm", "features", self.features, self.groups)?;
        init::check_eps("GroupNorm", self.eps)?;
        let affine = self.affine.then(|| Pair::ones(self.features, true));
        Ok(GroupNorm {
            groups: self.groups,
            features: self.features,
            eps: self.eps,
            affine: affine.transpose()?,
            pytorch_compatible: self.pytorch_compatible,
        })
    }
}

impl GroupNorm {
    /// A layer over `features` in `groups`, with the defaults of [`GroupNorm::builder`].
    ///
    /// # Errors
    /// If the features cannot be divided by the groups.
    pub fn new(groups: i32, features: i32) -> Result<Self> {
        Self::builder(groups, features).build()
    }

    /// Options of a layer over `features` in `groups`.
    pub fn builder(groups: i32, features: i32) -> GroupNormBuilder {
        GroupNormBuilder {
            groups,
            features,
            eps: 1e-5,
            affine: true,
            pytorch_compatible: false,
        }
    }

    pub(crate) fn from_parts(
        tensors: Pair,
        [groups, features]: [i32; 2],
        eps: f32,
        pytorch_compatible: bool,
    ) -> Self {
        GroupNorm {
            groups,
            features,
            eps,
            affine: Some(tensors),
            pytorch_compatible,
        }
    }

    /// True if the backward pass reads the values before the weight.
    #[doc(hidden)]
    pub fn keeps_input(&self) -> bool {
        self.affine.as_ref().is_some_and(Pair::trains)
    }

    /// Never trains, as the definition says.
    pub(crate) fn pin(&mut self) {
        self.affine.iter_mut().for_each(Pair::pin);
    }

    pub(crate) fn freeze(&mut self, frozen: bool) {
        self.affine
            .iter_mut()
            .for_each(|pair| pair.set_frozen(frozen));
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        if let Some(pair) = &self.affine {
            pair.each(f);
        }
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        if let Some(pair) = &mut self.affine {
            pair.each_mut(f);
        }
    }

    /// `[B, .., C]` of C features -> the same.
    ///
    /// # Errors
    /// If `x` has fewer than 2 dims or other features.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        crate::array::check_inputs([x])?;
        let shape = x.shape();
        let [batch, .., features] = *shape else {
            return Err(self.misfit(shape));
        };
        if features != self.features {
            return Err(self.misfit(shape));
        }
        let size = features / self.groups;
        let y = if self.pytorch_compatible {
            let y = reshape(x, &[batch, -1, self.groups, size])?;
            let y = reshape(&transpose(&y, &[0, 2, 1, 3])?, &[batch, self.groups, -1])?;
            let y = fast::layer_norm(&y, None, None, self.eps)?;
            transpose(
                &reshape(&y, &[batch, self.groups, -1, size])?,
                &[0, 2, 1, 3],
            )?
        } else {
            let y = reshape(x, &[batch, -1, self.groups])?;
            let factor = ops::var(&y, &[1], true, 0)?;
            let factor = ops::rsqrt(&shifted(&factor, f64::from(self.eps))?)?;
            ops::multiply(&ops::subtract(&y, &ops::mean(&y, &[1], true)?)?, &factor)?
        };
        apply(self.affine.as_ref(), reshape(&y, shape)?)
    }

    #[cold]
    fn misfit(&self, shape: &[i32]) -> Error {
        let text = format!(
            "expected 2 or more dims, the last of size {}, found {shape:?}",
            self.features
        );
        Error::shape("GroupNorm", text)
    }
}

impl Parameters for GroupNorm {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        self.each(&mut |name, a, trained| f(&join(path, name), a, TensorKind::of(trained)));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        self.each_mut(&mut |a, trained| f(a, TensorKind::of(trained)));
    }

    fn set_frozen(&mut self, frozen: bool) {
        self.freeze(frozen);
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Array) -> Result<Array> {
        GroupNorm::forward(self, x)
    }
}

impl fmt::Debug for GroupNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, "GroupNorm", self)
    }
}
