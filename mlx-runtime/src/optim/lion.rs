//! The Lion optimiser.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::averages::{optimizer, Averages, Buffer};
use super::optimizer::{check_betas, check_positive, decimal, scale};
use crate::kernels::updates::lion::lion;
use crate::ops;
use crate::{Array, Dtype, Result};

/// Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023,
/// arXiv:2302.06675). The same arithmetic, in the same order, as MLX's `optimizers.Lion`.
///
/// ```text
/// c = b1 m + (1 - b1) g          m = b2 m + (1 - b2) g
/// w = w (1 - lr weight_decay) - lr sign(c)
/// ```
///
/// A step changes each parameter by the learning rate: the paper takes a learning rate 3 to 10 times
/// smaller, and a weight decay as much larger, than with [`super::AdamW`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Lion {
    /// The step size if [`step`](super::Optimizer::step) is given none.
    pub learning_rate: f32,
    /// The weight of the running average in the direction, and its decay rate.
    pub betas: (f32, f32),
    /// The weight decay, times the learning rate.
    pub weight_decay: f32,
}

impl Default for Lion {
    /// MLX's defaults; MLX has none for the learning rate, which is 1e-4 here.
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            betas: (0.9, 0.99),
            weight_decay: 0.0,
        }
    }
}

impl Averages for Lion {
    type Rates = Array;

    fn check(&self, op: &'static str, _: &[Array]) -> Result<()> {
        check_betas(op, &[self.betas.0, self.betas.1])?;
        check_positive(op, "weight decay", self.weight_decay)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["m"]
    }

    fn rates(&self, lr: &Array, _: &Array, dtype: Dtype) -> Result<Array> {
        ops::astype(lr, dtype)
    }

    fn one(&self, buffer: Buffer<'_>, lr: &Array) -> Result<Vec<Array>> {
        let (w, g, m) = (buffer.w, buffer.g, buffer.old[0]);
        let betas = (decimal(self.betas.0), decimal(self.betas.1));
        if let Some(next) = lion([w, m, g], lr, betas, decimal(self.weight_decay)) {
            return next.map(Vec::from);
        }
        let mix = |beta: f64| ops::add(&scale(m, beta)?, &scale(g, 1.0 - beta)?);
        let c = mix(betas.0)?;
        let mut w = w.clone();
        if self.weight_decay > 0.0 {
            let one = Array::scalar_as(1.0, lr.dtype())?;
            let kept = ops::subtract(&one, &scale(lr, decimal(self.weight_decay))?)?;
            w = ops::multiply(&kept, &w)?;
        }
        let w = ops::subtract(&w, &ops::multiply(lr, &ops::sign(&c)?)?)?;
        Ok(vec![w, mix(betas.1)?])
    }
}

optimizer!(Lion, "lion");
