//! The Lion optimiser.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::optimizer::{check_betas, check_init, check_positive, check_step, decimal, scale};
use super::{OptimState, Optimizer, Rate, Shapes};
use crate::ops;
use crate::{Array, Result};

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
pub struct Lion {
    /// The step size if [`Optimizer::step`] is given none.
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

impl Lion {
    fn one(&self, w: &Array, g: &Array, m: &Array, lr: &Array) -> Result<[Array; 2]> {
        let mix = |beta: f64| ops::add(&scale(m, beta)?, &scale(g, 1.0 - beta)?);
        let c = mix(decimal(self.betas.0))?;
        let mut w = w.clone();
        if self.weight_decay > 0.0 {
            let one = Array::scalar_as(1.0, lr.dtype())?;
            let kept = ops::subtract(&one, &scale(lr, decimal(self.weight_decay))?)?;
            w = ops::multiply(&kept, &w)?;
        }
        let w = ops::subtract(&w, &ops::multiply(lr, &ops::sign(&c)?)?)?;
        Ok([w, mix(decimal(self.betas.1))?])
    }
}

impl Optimizer for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState> {
        const OP: &str = "Lion::init";
        check_betas(OP, &[self.betas.0, self.betas.1])?;
        check_positive(OP, "weight decay", self.weight_decay)?;
        check_init(OP, shapes, buffers)?;
        OptimState::zeros(&["m"], buffers)
    }

    fn step_buffers(
        &self,
        shapes: &Shapes,
        buffers: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: &Array,
    ) -> Result<(Vec<Array>, OptimState)> {
        let arrays = 1 + buffers.len();
        check_step("Lion::step", shapes, buffers, grads, state, arrays)?;
        let mut next = vec![ops::add(&state.arrays()[0], &Array::scalar(1u64)?)?];
        let (mut rate, mut new) = (Rate::new(lr), Vec::new());
        for (i, (w, g)) in buffers.iter().zip(grads).enumerate() {
            let [w, m] = self.one(w, g, &state.arrays()[1 + i], rate.of(g.dtype())?)?;
            new.push(w);
            next.push(m);
        }
        Ok((new, state.with_arrays(next)?))
    }
}
