//! The optimiser of stochastic gradient descent.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::averages::{optimizer, Averages, Buffer};
use super::optimizer::{check_positive, decimal, scale};
use crate::kernels::updates::sgd;
use crate::ops;
use crate::{Array, Dtype, Error, Result};

/// Stochastic gradient descent with momentum (Sutskever, Martens, Dahl and Hinton, "On the importance
/// of initialization and momentum in deep learning", ICML 2013). The same arithmetic, in the same
/// order, as MLX's `optimizers.SGD`.
///
/// ```text
/// g = g + weight_decay w
/// v = momentum v + (1 - dampening) g
/// w = w - lr v                              or, with nesterov:  w = w - lr (g + momentum v)
/// ```
///
/// Without momentum the step is `w - lr g` and the state is the number of steps alone.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Sgd {
    /// The step size if [`step`](super::Optimizer::step) is given none.
    pub learning_rate: f32,
    /// The decay rate of the running sum of gradients.
    pub momentum: f32,
    /// The factor of the parameters that is added to the gradient.
    pub weight_decay: f32,
    /// The share of the gradient that is left out of the running sum.
    pub dampening: f32,
    /// True to look one step of momentum ahead (Nesterov).
    pub nesterov: bool,
}

impl Default for Sgd {
    /// MLX's defaults; MLX has none for the learning rate, which is 1e-2 here.
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            momentum: 0.0,
            weight_decay: 0.0,
            dampening: 0.0,
            nesterov: false,
        }
    }
}

impl Averages for Sgd {
    type Rates = Array;

    fn check(&self, op: &'static str, _: &[Array]) -> Result<()> {
        check_positive(op, "momentum", self.momentum)?;
        check_positive(op, "weight decay", self.weight_decay)?;
        check_positive(op, "dampening", self.dampening)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let text = "nesterov needs a momentum and a dampening of 0".to_owned();
            return Err(Error::invalid(op, text));
        }
        Ok(())
    }

    fn slots(&self) -> &'static [&'static str] {
        match self.momentum > 0.0 {
            true => &["v"],
            false => &[],
        }
    }

    fn rates(&self, lr: &Array, _: &Array, dtype: Dtype) -> Result<Array> {
        ops::astype(lr, dtype)
    }

    fn one(&self, buffer: Buffer<'_>, lr: &Array) -> Result<Vec<Array>> {
        let (w, momentum) = (buffer.w, decimal(self.momentum));
        let rates = sgd::Rates {
            lr,
            decay: decimal(self.weight_decay),
            momentum: (momentum, 1.0 - decimal(self.dampening)),
            nesterov: self.nesterov,
        };
        if let Some(next) = sgd::sgd(w, buffer.g, buffer.old.first().copied(), &rates) {
            return next;
        }
        let mut g = buffer.g.clone();
        if self.weight_decay != 0.0 {
            g = ops::add(&g, &scale(w, decimal(self.weight_decay))?)?;
        }
        let (update, v) = match buffer.old.first() {
            None => (g, None),
            Some(v) => {
                let part = match self.dampening > 0.0 {
                    true => scale(&g, 1.0 - decimal(self.dampening))?,
                    false => g.clone(),
                };
                let v = ops::add(&scale(v, momentum)?, &part)?;
                let update = match self.nesterov {
                    true => ops::add(&g, &scale(&v, momentum)?)?,
                    false => v.clone(),
                };
                (update, Some(v))
            }
        };
        let w = ops::subtract(w, &ops::multiply(lr, &update)?)?;
        Ok([w].into_iter().chain(v).collect())
    }
}

optimizer!(Sgd, "sgd");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::Optimizer;

    #[test]
    fn nesterov_needs_momentum_alone() {
        let w = [Array::from_slice(&[1f32, 2.], &[2]).unwrap()];
        let sgd = |momentum, dampening, nesterov| Sgd {
            momentum,
            dampening,
            nesterov,
            ..Sgd::default()
        };
        assert!(sgd(0.0, 0.0, true).init(&w).is_err());
        assert!(sgd(0.9, 0.1, true).init(&w).is_err());
        assert!(sgd(-0.9, 0.0, false).init(&w).is_err());
        assert!(sgd(f32::NAN, 0.0, false).init(&w).is_err());
        assert_eq!(sgd(0.9, 0.0, true).init(&w).unwrap().names().len(), 2);
        assert_eq!(sgd(0.0, 0.0, false).init(&w).unwrap().names(), ["step"]);
    }
}
