//! The layers of a stack: models, or single layers of the runtime.
//!
//! Tests: `mlx-tests --test parts`.

use super::definition::Definition;
use super::layers::{Computed, Saved};
use super::{Leaf, LeafMut, Model};
use crate::nn::{Conv1d, Conv2d, GroupNorm, LayerNorm, Linear, RmsNorm};
use crate::{Array, Error, ErrorKind, Result};

/// One layer of a stack.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "expected a model",
    note = "a model is a struct with `#[mlx_model]` on it and on one `impl`"
)]
pub trait Stacked: Clone + Send + Sized + 'static {
    /// The tensors that training changes.
    fn trained(&self) -> Vec<Array>;

    /// Replaces them.
    ///
    /// # Errors
    /// If their number differs.
    fn set_trained(&mut self, arrays: &[Array]) -> Result<()>;

    /// The values that the layer keeps for the backward pass.
    fn keeps(&self, shapes: &[&[i64]], on: &Computed) -> Saved;
}

impl<M: Model> Stacked for M {
    fn trained(&self) -> Vec<Array> {
        self.trainable().into_iter().map(|(_, a)| a).collect()
    }

    fn set_trained(&mut self, arrays: &[Array]) -> Result<()> {
        self.set_trainable(arrays)
    }

    fn keeps(&self, shapes: &[&[i64]], on: &Computed) -> Saved {
        Definition::saved(self, "forward", shapes, on)
    }
}

macro_rules! leaves {
    ($($layer:ident)*) => { $(
        impl Stacked for $layer {
            fn trained(&self) -> Vec<Array> {
                let mut all = Vec::new();
                Leaf::$layer(self).each(&mut |_, array, trainable| {
                    if trainable {
                        all.push(array.clone());
                    }
                });
                all
            }

            fn set_trained(&mut self, arrays: &[Array]) -> Result<()> {
                let mut next = arrays.iter();
                let mut missing = false;
                LeafMut::$layer(self).each(&mut |array, trainable| {
                    if trainable {
                        match next.next() {
                            Some(new) => *array = new.clone(),
                            None => missing = true,
                        }
                    }
                });
                match missing || next.next().is_some() {
                    false => Ok(()),
                    true => Err(Error::new(ErrorKind::InvalidArgument, "expected as many trained tensors as the layer has")),
                }
            }

            // Its input, at most.
            fn keeps(&self, shapes: &[&[i64]], _: &Computed) -> Saved {
                let input = shapes.first().map_or(0, |s| s.iter().fold(1i64, |all, n| all.saturating_mul(*n)));
                Saved::values(if self.trained().is_empty() { 0 } else { input })
            }
        }
    )* };
}

leaves! { Linear RmsNorm LayerNorm GroupNorm Conv1d Conv2d }
