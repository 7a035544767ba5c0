//! Models that `#[mlx_model]` defines: load them, walk over their layers, adapt them, train them.
//!
//! Tests: `mlx-tests --test models`.

mod accumulate;
pub(crate) mod bind;
pub(crate) mod check;
mod const_text;
pub(crate) mod cuts;
pub(crate) mod definition;
mod digest;
pub(crate) mod gradient;
mod groups;
pub(crate) mod layers;
pub(crate) mod layout;
mod load_layers;
mod load_options;
pub(crate) mod loader;
mod lora;
mod memory_plan;
pub(crate) mod meta;
pub(crate) mod names;
mod plan;
pub(crate) mod quantise;
mod recorded;
mod reduction;
mod scales;
pub(crate) mod sig;
mod stacked;
mod start;
mod stored;
mod train;
pub(crate) mod trainable;
mod walk;

pub use digest::digest;
pub use gradient::value_and_grad;
pub use groups::ParamGroups;
pub use layers::Checkpoint;
pub use load_options::{LoadOptions, Weights};
pub use loader::{init, load, Loader};
pub use lora::{
    add_lora, all_lora_keys, lora_keys, set_dropout_key, unfreeze_layers, LoraConfig, LoraPattern,
};
pub use memory_plan::{MemoryPlan, Spans};
pub use quantise::Quantization;
pub use start::Started;
pub use train::{TrainOptions, TrainStep};
pub use trainable::Trainable;

use definition::Definition;
use loader::join;

use std::path::Path;

use crate::nn::{
    files, Conv1d, Conv2d, Embedding, GroupNorm, LayerNorm, Linear, Param, RmsNorm, SwitchLinear,
};
use crate::{Array, Error, ErrorKind, Result};

/// A model: layers with weights, defined by `#[mlx_model]`.
///
/// Cloning copies handles, not weights. Users call the methods with a body; the macros write the others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "expected a model",
    note = "a model is a struct with `#[mlx_model]` on it and on one `impl`"
)]
pub trait Model: Definition<<Self as Model>::Config> + Clone + Send + Sized + 'static {
    /// The config, which the sizes come from.
    type Config: Send + Sync + 'static;
    /// Calls `f` with every layer that holds weights and its path in the checkpoint.
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, Leaf<'a>));
    /// As [`Model::visit`], to change the layers.
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, LeafMut<'_>));

    /// Every tensor as the model uses it, with its name, in the order of the definition. [`Model::save`] writes them in the
    /// form in which a checkpoint stores them.
    fn parameters(&self) -> Vec<(String, Array)> {
        let mut all = Vec::new();
        self.visit("", &mut |path, leaf| {
            leaf.each(&mut |name, array, _| all.push((join(path, name), array.clone())));
        });
        all
    }

    /// The tensors that training changes, in the order of the definition. For an adapted model
    /// these are `<path>.lora_a` (in, rank) and `<path>.lora_b` (rank, out), float32.
    fn trainable(&self) -> Vec<(String, Array)> {
        let mut all = Vec::new();
        self.visit("", &mut |path, leaf| {
            leaf.each(&mut |name, array, trainable| {
                if trainable {
                    all.push((join(path, name), array.clone()));
                }
            });
        });
        all
    }

    /// Replaces the trainable tensors, in the order of [`Model::trainable`].
    ///
    /// # Errors
    /// If their number differs.
    fn set_trainable(&mut self, arrays: &[Array]) -> Result<()> {
        let mut next = arrays.iter();
        let mut missing = 0;
        self.visit_mut("", &mut |_, leaf| {
            leaf.each(&mut |array, trainable| {
                if trainable {
                    match next.next() {
                        Some(new) => *array = new.clone(),
                        None => missing += 1,
                    }
                }
            });
        });
        match (missing, next.len()) {
            (0, 0) => Ok(()),
            (missing, extra) => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "expected {} trainable tensors, found {}",
                    arrays.len() + missing - extra,
                    arrays.len()
                ),
            )),
        }
    }

    /// Writes every tensor to a safetensors file, which is replaced whole or left as it was. [`load`](load()) and
    /// [`Model::load`] read it.
    ///
    /// The file holds the first name of each field in `#[weights(..)]` that stands for one tensor, in the form that it says:
    /// `transposed`, `channels_first`, parts in one tensor, one tensor for each `{}`. A field without such a name is
    /// written under its own, and so are parts of a tensor whose other parts the model does not have.
    ///
    /// # Errors
    /// If two fields have the same name in a checkpoint. As [`save_safetensors`](crate::io::save_safetensors) besides.
    fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        files::save(path.as_ref(), &stored::Stored::of(self)?.tensors()?)
    }

    /// Replaces every tensor by the one in a file that [`Model::save`] wrote, in the dtypes of this model.
    /// [`load`](load()) makes a model of a checkpoint.
    ///
    /// # Errors
    /// One error that lists each tensor that is missing, unknown, or of another shape; nothing is then changed. As
    /// [`load_safetensors`](crate::io::load_safetensors) besides.
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let stored = stored::Stored::of(self)?;
        let tensors = files::load(path.as_ref(), &stored.tensors()?)?;
        let mut next = stored.used(tensors)?.into_iter();
        self.visit_mut("", &mut |_, leaf| {
            leaf.each(&mut |array, _| next.next().into_iter().for_each(|new| *array = new));
        });
        Ok(())
    }

    /// Takes every tensor out of training; [`add_lora`] puts its own in.
    fn freeze(&mut self) {
        self.visit_mut("", &mut |_, leaf| leaf.freeze(true));
    }

    /// Puts every dense tensor into training.
    fn unfreeze(&mut self) {
        self.visit_mut("", &mut |_, leaf| leaf.freeze(false));
    }
}

/// A layer that holds weights.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Leaf<'a> {
    /// A linear map.
    Linear(&'a Linear),
    /// A table.
    Embedding(&'a Embedding),
    /// A normalisation.
    RmsNorm(&'a RmsNorm),
    /// A normalisation with a mean.
    LayerNorm(&'a LayerNorm),
    /// A normalisation over groups of features.
    GroupNorm(&'a GroupNorm),
    /// A convolution along one axis.
    Conv1d(&'a Conv1d),
    /// A convolution along two axes.
    Conv2d(&'a Conv2d),
    /// Linear maps of which each token has a choice.
    SwitchLinear(&'a SwitchLinear),
    /// A bare tensor.
    Param(&'a Param),
}

/// A layer that holds weights, to be changed.
#[non_exhaustive]
pub enum LeafMut<'a> {
    /// A linear map.
    Linear(&'a mut Linear),
    /// A table.
    Embedding(&'a mut Embedding),
    /// A normalisation.
    RmsNorm(&'a mut RmsNorm),
    /// A normalisation with a mean.
    LayerNorm(&'a mut LayerNorm),
    /// A normalisation over groups of features.
    GroupNorm(&'a mut GroupNorm),
    /// A convolution along one axis.
    Conv1d(&'a mut Conv1d),
    /// A convolution along two axes.
    Conv2d(&'a mut Conv2d),
    /// Linear maps of which each token has a choice.
    SwitchLinear(&'a mut SwitchLinear),
    /// A bare tensor.
    Param(&'a mut Param),
}

impl<'a> Leaf<'a> {
    /// Calls `f` with each tensor's name, the tensor, and true if it is trained.
    pub fn each(self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        match self {
            Leaf::Linear(l) => l.each(f),
            Leaf::Embedding(l) => l.each(f),
            Leaf::RmsNorm(l) => l.each(f),
            Leaf::LayerNorm(l) => l.each(f),
            Leaf::GroupNorm(l) => l.each(f),
            Leaf::Conv1d(l) => l.each(f),
            Leaf::Conv2d(l) => l.each(f),
            Leaf::SwitchLinear(l) => l.each(f),
            Leaf::Param(l) => l.each(f),
        }
    }
}

impl LeafMut<'_> {
    /// Calls `f` with each tensor, and true if it is trained.
    pub fn each(self, f: &mut dyn FnMut(&mut Array, bool)) {
        match self {
            LeafMut::Linear(l) => l.each_mut(f),
            LeafMut::Embedding(l) => l.each_mut(f),
            LeafMut::RmsNorm(l) => l.each_mut(f),
            LeafMut::LayerNorm(l) => l.each_mut(f),
            LeafMut::GroupNorm(l) => l.each_mut(f),
            LeafMut::Conv1d(l) => l.each_mut(f),
            LeafMut::Conv2d(l) => l.each_mut(f),
            LeafMut::SwitchLinear(l) => l.each_mut(f),
            LeafMut::Param(l) => l.each_mut(f),
        }
    }

    fn freeze(self, frozen: bool) {
        match self {
            LeafMut::Linear(l) => l.set_frozen(frozen),
            LeafMut::Embedding(l) => l.set_frozen(frozen),
            LeafMut::RmsNorm(l) => l.set_frozen(frozen),
            LeafMut::LayerNorm(l) => l.set_frozen(frozen),
            LeafMut::GroupNorm(l) => l.freeze(frozen),
            LeafMut::Conv1d(l) => l.set_frozen(frozen),
            LeafMut::Conv2d(l) => l.set_frozen(frozen),
            LeafMut::SwitchLinear(l) => l.set_frozen(frozen),
            LeafMut::Param(l) => l.set_frozen(frozen),
        }
    }
}
