//! The optimiser of stochastic gradient descent.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::optimizer::{check_init, check_positive, check_step, decimal, scale};
use super::{OptimState, Optimizer, Rate, Shapes};
use crate::ops;
use crate::{Array, Error, Result};

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
pub struct Sgd {
    /// The step size if [`Optimizer::step`] is given none.
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

impl Sgd {
    fn slots(&self) -> &'static [&'static str] {
        match self.momentum > 0.0 {
            true => &["v"],
            false => &[],
        }
    }

    /// The new parameters, and the new running sum if there is one.
    fn one(&self, w: &Array, g: &Array, v: Option<&Array>, lr: &Array) -> Result<[Array; 2]> {
        let mut g = g.clone();
        if self.weight_decay != 0.0 {
            g = ops::add(&g, &scale(w, decimal(self.weight_decay))?)?;
        }
        let momentum = decimal(self.momentum);
        let (update, v) = match v {
            None => (g.clone(), g),
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
                (update, v)
            }
        };
        Ok([ops::subtract(w, &ops::multiply(lr, &update)?)?, v])
    }
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState> {
        const OP: &str = "Sgd::init";
        check_positive(OP, "momentum", self.momentum)?;
        check_positive(OP, "weight decay", self.weight_decay)?;
        check_positive(OP, "dampening", self.dampening)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let text = "nesterov expects a momentum above 0 and a dampening of 0".to_owned();
            return Err(Error::invalid(OP, text));
        }
        check_init(OP, shapes, buffers)?;
        OptimState::zeros(self.slots(), buffers)
    }

    fn step_buffers(
        &self,
        shapes: &Shapes,
        buffers: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: &Array,
    ) -> Result<(Vec<Array>, OptimState)> {
        let slots = self.slots().len();
        let arrays = 1 + slots * buffers.len();
        check_step("Sgd::step", shapes, buffers, grads, state, arrays)?;
        let mut next = vec![ops::add(&state.arrays()[0], &Array::scalar(1u64)?)?];
        let (mut rate, mut new) = (Rate::new(lr), Vec::new());
        for (i, (w, g)) in buffers.iter().zip(grads).enumerate() {
            let old = state.arrays().get(1 + i);
            let [w, v] = self.one(w, g, old, rate.of(g.dtype())?)?;
            new.push(w);
            next.extend((slots > 0).then_some(v));
        }
        Ok((new, state.with_arrays(next)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
