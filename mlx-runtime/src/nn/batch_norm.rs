//! Normalisation over a batch.
//!
//! Tests: `tests/layers.rs`.

use std::cell::RefCell;
use std::fmt;

use super::init;
use super::module::{describe, Module, Parameters, TensorKind};
use super::pair::Pair;
use super::scalar::{scaled, shifted};
use crate::model::loader::join;
use crate::{ops, Array, Dtype, Error, Result};

/// `y = (x - mean) / sqrt(var + eps) * w + b` with mean and variance over all axes but the last (Ioffe & Szegedy 2015).
/// `mlx.nn.BatchNorm`.
///
/// In train mode they are those of `x`, and `forward` moves the running ones towards them by `momentum`; in eval mode
/// they are the running ones.
#[derive(Clone)]
pub struct BatchNorm {
    features: i32,
    eps: f32,
    momentum: f32,
    affine: Option<Pair>,
    /// Mean and variance.
    running: Option<RefCell<[Array; 2]>>,
    training: bool,
}

/// Options of a [`BatchNorm`].
#[derive(Clone, Debug)]
pub struct BatchNormBuilder {
    features: i32,
    eps: f32,
    momentum: f32,
    affine: bool,
    track_running_stats: bool,
}

impl BatchNormBuilder {
    /// Added to the variance; 1e-5 unless given.
    #[must_use]
    pub fn eps(self, eps: f32) -> Self {
        BatchNormBuilder { eps, ..self }
    }

    /// The share of a batch in the running statistics; 0.1 unless given.
    #[must_use]
    pub fn momentum(self, momentum: f32) -> Self {
        BatchNormBuilder { momentum, ..self }
    }

    /// There are a weight and a bias unless this is false.
    #[must_use]
    pub fn affine(self, affine: bool) -> Self {
        BatchNormBuilder { affine, ..self }
    }

    /// There are running statistics unless this is false.
    #[must_use]
    pub fn track_running_stats(self, track_running_stats: bool) -> Self {
        BatchNormBuilder {
            track_running_stats,
            ..self
        }
    }

    /// The layer in float32 and in train mode.
    ///
    /// # Errors
    /// If there is no feature, or `eps` or `momentum` is out of range.
    pub fn build(&self) -> Result<BatchNorm> {
        const OP: &str = "BatchNorm";
        let n = self.features;
        init::check_sizes(OP, &[("number of features", n)])?;
        init::check_eps(OP, self.eps)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            let text = format!("invalid momentum {}: expected 0 to 1", self.momentum);
            return Err(Error::invalid(OP, text));
        }
        let fresh = || -> Result<_> {
            let (mean, var) = (
                ops::zeros(&[n], Dtype::Float32)?,
                ops::ones(&[n], Dtype::Float32)?,
            );
            Ok(RefCell::new([mean, var]))
        };
        Ok(BatchNorm {
            features: n,
            eps: self.eps,
            momentum: self.momentum,
            affine: self.affine.then(|| Pair::ones(n, true)).transpose()?,
            running: self.track_running_stats.then(fresh).transpose()?,
            training: true,
        })
    }
}

impl BatchNorm {
    /// A layer over `features` with the defaults of [`BatchNorm::builder`].
    ///
    /// # Errors
    /// If there is no feature.
    pub fn new(features: i32) -> Result<Self> {
        Self::builder(features).build()
    }

    /// Options of a layer over `features`.
    pub fn builder(features: i32) -> BatchNormBuilder {
        BatchNormBuilder {
            features,
            eps: 1e-5,
            momentum: 0.1,
            affine: true,
            track_running_stats: true,
        }
    }

    /// `[B, C]`, `[B, L, C]` or `[B, H, W, C]` of C features -> the same.
    ///
    /// # Errors
    /// If `x` has other dims, or in train mode one value for each feature.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        crate::array::check_inputs([x])?;
        const OP: &str = "BatchNorm";
        let shape = x.shape();
        if !(2..=4).contains(&shape.len()) || shape.last() != Some(&self.features) {
            let text = format!(
                "expected 2 to 4 dims, the last of size {}, found {shape:?}",
                self.features
            );
            return Err(Error::shape(OP, text));
        }
        if self.training && x.size() as i64 <= i64::from(self.features) {
            let text = format!("expected several values for each feature, found {shape:?}");
            let hint = "give a larger batch, or turn train mode off with `train(false)`";
            return Err(Error::shape(OP, text).with_hint(hint));
        }
        let axes: Vec<i32> = (0..shape.len() as i32 - 1).collect();
        let of_batch =
            || -> Result<_> { Ok([ops::mean(x, &axes, false)?, ops::var(x, &axes, false, 0)?]) };
        let [mean, var] = match &self.running {
            None => of_batch()?,
            Some(running) if !self.training => running.borrow().clone(),
            Some(running) => {
                let [mean, var] = of_batch()?;
                let unbiased = ops::var(x, &axes, false, 1)?;
                let toward = |old: &Array, new: &Array| {
                    // The statistics are no function of what trains, and keep their dtype.
                    let new = ops::astype(&ops::stop_gradient(new)?, old.dtype())?;
                    let share = f64::from(self.momentum);
                    ops::add(&scaled(1.0 - share, old)?, &scaled(share, &new)?)
                };
                let old = running.borrow().clone();
                let new = [toward(&old[0], &mean)?, toward(&old[1], &unbiased)?];
                *running.borrow_mut() = new;
                [mean, var]
            }
        };
        let factor = ops::rsqrt(&shifted(&var, f64::from(self.eps))?)?;
        let y = ops::multiply(&ops::subtract(x, &mean)?, &factor)?;
        apply(self.affine.as_ref(), y)
    }
}

/// `y * weight + bias`.
pub(super) fn apply(affine: Option<&Pair>, mut y: Array) -> Result<Array> {
    if let Some(pair) = affine {
        y = ops::multiply(&pair.weight, &y)?;
        if let Some(bias) = &pair.bias {
            y = ops::add(&y, bias)?;
        }
    }
    Ok(y)
}

impl Parameters for BatchNorm {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        if let Some(pair) = &self.affine {
            pair.each(&mut |name, a, trained| f(&join(path, name), a, TensorKind::of(trained)));
        }
        if let Some(running) = &self.running {
            let running = running.borrow();
            for (name, a) in ["running_mean", "running_var"].iter().zip(running.iter()) {
                f(&join(path, name), a, TensorKind::Buffer);
            }
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        if let Some(pair) = &mut self.affine {
            pair.each_mut(&mut |a, trained| f(a, TensorKind::of(trained)));
        }
        if let Some(running) = &mut self.running {
            running
                .get_mut()
                .iter_mut()
                .for_each(|a| f(a, TensorKind::Buffer));
        }
    }

    fn train(&mut self, on: bool) {
        self.training = on;
    }

    fn set_frozen(&mut self, frozen: bool) {
        self.affine
            .iter_mut()
            .for_each(|pair| pair.set_frozen(frozen));
    }

    fn changes(&self) -> bool {
        self.training && self.running.is_some()
    }
}

impl Module for BatchNorm {
    fn forward(&self, x: &Array) -> Result<Array> {
        BatchNorm::forward(self, x)
    }
}

impl fmt::Debug for BatchNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, "BatchNorm", self)
    }
}
