//! Models that a training step can train: those of the macros, and layers of [`nn`](crate::nn).
//!
//! Tests: `tests/models_of_layers.rs`; `mlx-tests --test training`.

use super::Model;
use crate::nn::{Parameters, TensorKind};
use crate::{Array, Error, ErrorKind, Result};

/// A model that [`TrainStep`](super::TrainStep) trains: a model of `#[mlx_model]`, a layer of [`nn`](crate::nn), or a
/// struct with [`parameters!`](crate::parameters).
///
/// Layers that change while they run ([`BatchNorm`](crate::nn::BatchNorm) and [`Dropout`](crate::nn::Dropout) in train
/// mode) are trained with [`nn::value_and_grad`](crate::nn::value_and_grad).
pub trait Trainable: Clone + Send + Sized + 'static {
    /// The tensors that training changes, with their names.
    #[doc(hidden)]
    fn trained(&self) -> Vec<(String, Array)>;

    /// Replaces them.
    #[doc(hidden)]
    fn set_trained(&mut self, arrays: &[Array]) -> Result<()>;

    /// The other tensors.
    #[doc(hidden)]
    fn frozen(&self) -> Vec<Array>;

    /// An error if the model changes while it runs.
    #[doc(hidden)]
    fn check_state(&self) -> Result<()> {
        Ok(())
    }
}

impl<M: Model> Trainable for M {
    fn trained(&self) -> Vec<(String, Array)> {
        self.trainable()
    }

    fn set_trained(&mut self, arrays: &[Array]) -> Result<()> {
        self.set_trainable(arrays)
    }

    fn frozen(&self) -> Vec<Array> {
        let mut all = Vec::new();
        self.visit("", &mut |_, leaf| {
            leaf.each(&mut |_, array, trained| {
                all.extend((!trained).then(|| array.clone()));
            });
        });
        all
    }
}

/// [`Trainable::frozen`] of layers.
pub fn frozen(layers: &impl Parameters) -> Vec<Array> {
    let mut all = Vec::new();
    layers.visit("", &mut |_, array, kind| {
        all.extend((kind != TensorKind::Trained).then(|| array.clone()));
    });
    all
}

/// [`Trainable::set_trained`] of layers. A step itself chooses the arrays, so their shapes are not compared.
pub fn set_trained(layers: &mut impl Parameters, arrays: &[Array]) -> Result<()> {
    let mut next = arrays.iter();
    layers.visit_mut(&mut |array, kind| {
        if kind == TensorKind::Trained {
            next.next().into_iter().for_each(|new| *array = new.clone());
        }
    });
    Ok(())
}

/// [`Trainable::check_state`] of layers.
pub fn check_state(layers: &impl Parameters) -> Result<()> {
    match layers.changes() {
        false => Ok(()),
        true => Err(Error::new(
            ErrorKind::InvalidArgument,
            "a training step cannot train layers that change while they run: BatchNorm or Dropout in train mode",
        )
        .with_op("TrainStep::new")
        .with_hint("use `nn::value_and_grad`, or turn train mode off with `train(false)`")),
    }
}

/// Implements [`Trainable`] for types with [`Parameters`].
#[doc(hidden)]
#[macro_export]
macro_rules! __trainable {
    ($($layer:ty),* $(,)?) => {$(
        impl $crate::model::Trainable for $layer {
            fn trained(&self) -> ::std::vec::Vec<(::std::string::String, $crate::Array)> {
                $crate::nn::Parameters::trainable(self)
            }

            fn set_trained(&mut self, arrays: &[$crate::Array]) -> $crate::Result<()> {
                $crate::__private::set_trained(self, arrays)
            }

            fn frozen(&self) -> ::std::vec::Vec<$crate::Array> {
                $crate::__private::frozen(self)
            }

            fn check_state(&self) -> $crate::Result<()> {
                $crate::__private::check_state(self)
            }
        }
    )*};
}

mod layers {
    use crate::nn::*;

    __trainable! {
        BatchNorm, Box<dyn Module>, Conv1d, Conv2d, Embedding, GroupNorm, LayerNorm, Linear, RmsNorm, Sequential, SwitchLinear,
    }
}
