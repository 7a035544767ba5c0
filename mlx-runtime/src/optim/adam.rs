//! The Adam optimiser.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::{AdamW, OptimState, Optimizer, Shapes};
use crate::{Array, Result};

/// Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015): [`AdamW`] without
/// weight decay. The same arithmetic, in the same order, as MLX's `optimizers.Adam`.
///
/// ```text
/// m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
/// w = w - lr m / (sqrt(v) + eps)                                without bias correction
/// w = w - (lr / (1 - b1^t)) m / (sqrt(v) / sqrt(1 - b2^t) + eps)   with it
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Adam {
    /// The step size if [`Optimizer::step`] is given none.
    pub learning_rate: f32,
    /// The decay rates of the running averages of gradient and squared gradient.
    pub betas: (f32, f32),
    /// Added to the denominator.
    pub eps: f32,
    /// True to correct the averages for their start at zero. MLX's default is false.
    pub bias_correction: bool,
}

impl Default for Adam {
    /// MLX's defaults; MLX has none for the learning rate, which is 1e-3 here.
    fn default() -> Self {
        let AdamW {
            learning_rate,
            betas,
            eps,
            bias_correction,
            ..
        } = AdamW::default();
        Self {
            learning_rate,
            betas,
            eps,
            bias_correction,
        }
    }
}

impl Adam {
    fn without_decay(&self) -> AdamW {
        AdamW {
            learning_rate: self.learning_rate,
            betas: self.betas,
            eps: self.eps,
            weight_decay: 0.0,
            bias_correction: self.bias_correction,
        }
    }
}

impl Optimizer for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState> {
        self.without_decay().init_buffers(shapes, buffers)
    }

    fn step_buffers(
        &self,
        shapes: &Shapes,
        buffers: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: &Array,
    ) -> Result<(Vec<Array>, OptimState)> {
        self.without_decay()
            .step_buffers(shapes, buffers, grads, state, lr)
    }
}
