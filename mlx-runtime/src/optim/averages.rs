//! Optimisers whose state is some values beside each parameter, which begin at zero.
//!
//! Tests: `mlx-tests --test parity_optim`, and the unit tests of each optimiser.

use super::Shapes;
use crate::{Array, Dtype, Result};

/// The arithmetic of such an optimiser. [`optimizer!`] makes an [`super::Optimizer`] of it.
pub(super) trait Averages {
    /// Scalars in the dtype of a gradient: the learning rate, and what depends on it and the step alone.
    type Rates;

    /// Refuses settings that are out of their range, and parameters that cannot be stepped.
    fn check(&self, op: &'static str, buffers: &[Array]) -> Result<()>;

    /// The values' names.
    fn slots(&self) -> &'static [&'static str];

    /// The scalars of step number `step`, from 1 on.
    fn rates(&self, lr: &Array, step: &Array, dtype: Dtype) -> Result<Self::Rates>;

    /// A buffer and its values of each slot after a step.
    fn one(&self, buffer: Buffer<'_>, rates: &Self::Rates) -> Result<Vec<Array>>;
}

/// One buffer of parameters in a step.
pub(super) struct Buffer<'a> {
    /// Parameters and gradients.
    pub w: &'a Array,
    pub g: &'a Array,
    /// The values of each slot.
    pub old: &'a [&'a Array],
    /// The buffer's place in the shapes.
    pub at: usize,
    pub shapes: &'a Shapes,
}

/// Makes an optimiser of a type with [`Averages`] and a field `learning_rate`.
macro_rules! optimizer {
    ($type:ident, $name:literal) => {
        impl $crate::optim::Optimizer for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn learning_rate(&self) -> f32 {
                self.learning_rate
            }

            fn init_buffers(
                &self,
                shapes: &$crate::optim::Shapes,
                buffers: &[Array],
            ) -> Result<$crate::optim::OptimState> {
                let op = concat!(stringify!($type), "::init");
                self.check(op, buffers)?;
                $crate::optim::optimizer::check_init(op, shapes, buffers)?;
                $crate::optim::OptimState::zeros(self.slots(), buffers)
            }

            fn step_buffers(
                &self,
                shapes: &$crate::optim::Shapes,
                buffers: &[Array],
                grads: &[Array],
                state: &$crate::optim::OptimState,
                lr: &Array,
            ) -> Result<(Vec<Array>, $crate::optim::OptimState)> {
                let op = concat!(stringify!($type), "::step");
                $crate::optim::averages::step(self, op, (shapes, buffers, grads), state, lr)
            }
        }
    };
}
pub(super) use optimizer;

/// [`super::Optimizer::step_buffers`].
pub(super) fn step(
    optimizer: &impl Averages,
    op: &'static str,
    (shapes, buffers, grads): (&Shapes, &[Array], &[Array]),
    state: &super::OptimState,
    lr: &Array,
) -> Result<(Vec<Array>, super::OptimState)> {
    let (n, slots) = (buffers.len(), optimizer.slots().len());
    super::optimizer::check_step(op, shapes, buffers, grads, state, 1 + slots * n)?;
    let step = crate::ops::add(&state.arrays()[0], &Array::scalar(1u64)?)?;
    let mut rates = super::Rate::with(|dtype| optimizer.rates(lr, &step, dtype));
    let (mut new, mut values) = (Vec::new(), vec![Vec::new(); slots]);
    for (at, (w, g)) in buffers.iter().zip(grads).enumerate() {
        let old: Vec<&Array> = (0..slots)
            .map(|slot| &state.arrays()[1 + slot * n + at])
            .collect();
        let buffer = Buffer {
            w,
            g,
            old: &old,
            at,
            shapes,
        };
        let mut next = optimizer.one(buffer, rates.of(g.dtype())?)?.into_iter();
        new.extend(next.next());
        for (all, value) in values.iter_mut().zip(next) {
            all.push(value);
        }
    }
    let arrays = std::iter::once(step.clone()).chain(values.into_iter().flatten());
    Ok((new, state.with_arrays(arrays.collect())?))
}
