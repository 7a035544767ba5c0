//! The trait of all optimisers.
//!
//! Tests: unit tests below.

use std::fmt::Debug;
use std::sync::Arc;

use super::{OptimState, Shapes};
use crate::ops;
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// An optimiser: pure functions from arrays to arrays.
///
/// An optimiser carries its state from step to step in an [`OptimState`], a flat list of arrays. So a step can be
/// compiled as one function of parameters, gradients, state and learning rate. It evaluates nothing.
///
/// Parameters come as buffers, with [`Shapes`] that say which tensors lie in each. If every tensor is a separate
/// buffer, [`Optimizer::init`] and [`Optimizer::step`] are shorter.
pub trait Optimizer: Debug + Send + Sync {
    /// The name in lower case, as in a saved state.
    fn name(&self) -> &'static str;

    /// The step size if none is given.
    fn learning_rate(&self) -> f32;

    /// The part that steps the tensor of that name and shape: tensors of one dtype and one part
    /// make a group. Only [`super::Parts`] has more than part 0.
    fn part(&self, _name: &str, _shape: &[i32]) -> usize {
        0
    }

    /// The state before the first step.
    ///
    /// # Errors
    /// If a setting is out of its range, a parameter is not floating point, or `shapes` are not
    /// those of the buffers.
    fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState>;

    /// One step: the new buffers and the new state. `lr` is a scalar array, so that a compiled step
    /// sees a new value each time.
    ///
    /// # Errors
    /// If the numbers of buffers, gradients and the state's arrays do not belong together, or a
    /// gradient's shape is not its buffer's.
    fn step_buffers(
        &self,
        shapes: &Shapes,
        buffers: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: &Array,
    ) -> Result<(Vec<Array>, OptimState)>;

    /// [`Optimizer::init_buffers`] for tensors that are each a buffer.
    ///
    /// # Errors
    /// As [`Optimizer::init_buffers`].
    fn init(&self, params: &[Array]) -> Result<OptimState> {
        self.init_buffers(&Shapes::of(params), params)
    }

    /// [`Optimizer::step_buffers`] for tensors that are each a buffer; without `lr` the step size is
    /// [`Optimizer::learning_rate`].
    ///
    /// # Errors
    /// As [`Optimizer::step_buffers`].
    fn step(
        &self,
        params: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: Option<&Array>,
    ) -> Result<(Vec<Array>, OptimState)> {
        let lr = match lr {
            Some(lr) => lr.clone(),
            None => Array::scalar(self.learning_rate())?,
        };
        self.step_buffers(&Shapes::of(params), params, grads, state, &lr)
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: Optimizer + ?Sized> Optimizer for $pointer<T> {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn learning_rate(&self) -> f32 {
                (**self).learning_rate()
            }

            fn part(&self, name: &str, shape: &[i32]) -> usize {
                (**self).part(name, shape)
            }

            fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState> {
                (**self).init_buffers(shapes, buffers)
            }

            fn step_buffers(
                &self,
                shapes: &Shapes,
                buffers: &[Array],
                grads: &[Array],
                state: &OptimState,
                lr: &Array,
            ) -> Result<(Vec<Array>, OptimState)> {
                (**self).step_buffers(shapes, buffers, grads, state, lr)
            }
        }
    };
}

forward!(Arc);
forward!(Box);

/// Scalars in the dtype of one buffer, made again only if the dtype changes: buffers of one dtype share them.
pub(super) struct Rate<F, T> {
    make: F,
    last: Option<(Dtype, T)>,
}

impl Rate<(), ()> {
    /// A rate that `make` computes.
    pub fn with<T, F: FnMut(Dtype) -> Result<T>>(make: F) -> Rate<F, T> {
        Rate { make, last: None }
    }
}

impl<T, F: FnMut(Dtype) -> Result<T>> Rate<F, T> {
    pub fn of(&mut self, dtype: Dtype) -> Result<&T> {
        let found = match self.last.take().filter(|(d, _)| *d == dtype) {
            Some(found) => found,
            None => (dtype, (self.make)(dtype)?),
        };
        Ok(&self.last.insert(found).1)
    }
}

/// The checks that every `init_buffers` does first.
pub(super) fn check_init(op: &'static str, shapes: &Shapes, buffers: &[Array]) -> Result<()> {
    shapes.check(op, buffers)?;
    match buffers.iter().find(|p| !p.dtype().is_float()) {
        None => Ok(()),
        Some(p) => Err(Error::new(
            ErrorKind::Dtype,
            format!("expected floating-point parameters, found {}", p.dtype()),
        )
        .with_op(op)),
    }
}

/// The checks that every `step_buffers` does first. `arrays` is the number of arrays in the state.
pub(super) fn check_step(
    op: &'static str,
    shapes: &Shapes,
    buffers: &[Array],
    grads: &[Array],
    state: &OptimState,
    arrays: usize,
) -> Result<()> {
    shapes.check(op, buffers)?;
    if grads.len() != buffers.len() || state.arrays().len() != arrays {
        let text = format!(
            "expected as many gradients as parameters and a state of {arrays} arrays, found {} parameters, {} gradients and {} arrays",
            buffers.len(),
            grads.len(),
            state.arrays().len()
        );
        return Err(Error::invalid(op, text));
    }
    for (i, (w, g)) in buffers.iter().zip(grads).enumerate() {
        if w.shape() != g.shape() {
            let text = format!(
                "expected gradient {i} in the shape of its parameter, {1:?}, found {0:?}",
                g.shape(),
                w.shape()
            );
            return Err(Error::shape(op, text));
        }
    }
    Ok(())
}

/// `0 <= beta < 1`; NaN is refused, too.
pub(super) fn check_betas(op: &'static str, betas: &[f32]) -> Result<()> {
    match betas.iter().find(|b| !(0.0..1.0).contains(*b)) {
        None => Ok(()),
        Some(beta) => Err(Error::invalid(
            op,
            format!("invalid beta {beta}: expected 0 or more and less than 1"),
        )),
    }
}

/// Returns an error if `value` is negative or NaN.
pub(super) fn check_positive(op: &'static str, what: &str, value: f32) -> Result<()> {
    // `value < 0.0` would let NaN through.
    if value >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(
        op,
        format!("invalid {what} {value}: expected 0 or more"),
    ))
}

/// `a * by`. The constant takes the array's dtype, as Python's numbers do.
pub(super) fn scale(a: &Array, by: f64) -> Result<Array> {
    ops::multiply(&Array::scalar_as(by, a.dtype())?, a)
}

/// The shortest decimal number that is `x` in float32, in double precision: the number that was
/// typed, as Python would read it.
pub(super) fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_what_was_typed() {
        assert_eq!(decimal(0.999), 0.999);
        assert_eq!(decimal(1e-8), 1e-8);
    }
}
