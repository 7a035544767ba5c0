//! Models put together without macros: named tensors, modes, composition.
//!
//! Tests: `tests/models_of_layers.rs`.

use std::fmt;
use std::path::Path;

use super::{files, Conv1d, Conv2d, Embedding, LayerNorm, Linear, Param, RmsNorm, SwitchLinear};
use crate::model::gradient;
use crate::model::loader::join;
use crate::{ops, Array, Dtype, Error, ErrorKind, Result};

/// The part that a tensor plays in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorKind {
    /// Changed by an optimiser.
    Trained,
    /// Left as it is, and saved.
    Frozen,
    /// Changed by `forward` in train mode, and saved: running statistics.
    Buffer,
    /// Changed by `forward` in train mode, and not saved: the key of a random generator.
    Key,
}

impl TensorKind {
    pub(super) fn of(trained: bool) -> Self {
        match trained {
            true => TensorKind::Trained,
            false => TensorKind::Frozen,
        }
    }

    /// True if `forward` changes it.
    fn is_state(self) -> bool {
        matches!(self, TensorKind::Buffer | TensorKind::Key)
    }
}

/// Layers and models with named tensors.
///
/// [`parameters!`](crate::parameters) implements it for a struct of layers. Models of `#[mlx_model]` have the same methods
/// from [`Model`](crate::model::Model).
pub trait Parameters {
    /// Calls `f` with the name of each tensor behind `path`, the tensor and its kind.
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind));

    /// Calls `f` with each tensor and its kind, in the order of [`Parameters::visit`].
    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind));

    /// Turns train mode on or off, for layers that differ in it ([`Dropout`](super::Dropout),
    /// [`BatchNorm`](super::BatchNorm)). New layers are in train mode.
    fn train(&mut self, _on: bool) {}

    /// Turns train mode off: `train(false)`. MLX: `Module.eval`.
    fn eval(&mut self) {
        self.train(false);
    }

    /// Takes every tensor out of training, or puts it into it.
    fn set_frozen(&mut self, frozen: bool);

    /// True if `forward` changes a tensor of the layer, as [`BatchNorm`](super::BatchNorm) and
    /// [`Dropout`](super::Dropout) do in train mode.
    fn changes(&self) -> bool {
        false
    }

    /// The tensors that are saved, with their names.
    fn parameters(&self) -> Vec<(String, Array)> {
        let mut all = Vec::new();
        self.visit("", &mut |name, a, kind| {
            if kind != TensorKind::Key {
                all.push((name.to_owned(), a.clone()));
            }
        });
        all
    }

    /// The tensors that an optimiser changes, with their names.
    fn trainable(&self) -> Vec<(String, Array)> {
        let mut all = Vec::new();
        self.visit("", &mut |name, a, kind| {
            if kind == TensorKind::Trained {
                all.push((name.to_owned(), a.clone()));
            }
        });
        all
    }

    /// Replaces the trainable tensors, in the order of [`Parameters::trainable`].
    ///
    /// # Errors
    /// If their number or a shape differs; nothing is then changed.
    fn set_trainable(&mut self, arrays: &[Array]) -> Result<()> {
        let old = self.trainable();
        let fits = |((_, old), new): (&(String, Array), &Array)| old.shape() == new.shape();
        if old.len() != arrays.len() || !old.iter().zip(arrays).all(fits) {
            let shapes: Vec<&[i32]> = arrays.iter().map(Array::shape).collect();
            let wanted: Vec<&[i32]> = old.iter().map(|(_, a)| a.shape()).collect();
            let text = format!("expected trainable tensors of shapes {wanted:?}, found {shapes:?}");
            return Err(Error::shape("set_trainable", text));
        }
        let mut next = arrays.iter();
        self.visit_mut(&mut |a, kind| {
            if kind == TensorKind::Trained {
                next.next().into_iter().for_each(|new| *a = new.clone());
            }
        });
        Ok(())
    }

    /// Converts the floating-point tensors.
    ///
    /// # Errors
    /// If `dtype` is not floating point.
    fn set_dtype(&mut self, dtype: Dtype) -> Result<()> {
        if !dtype.is_float() {
            let text = format!("expected a floating-point dtype, found {dtype}");
            return Err(Error::new(ErrorKind::Dtype, text).with_op("set_dtype"));
        }
        let mut failed = Ok(());
        self.visit_mut(&mut |a, kind| {
            if a.dtype().is_float() && kind != TensorKind::Key {
                match ops::astype(a, dtype) {
                    Ok(new) => *a = new,
                    Err(e) => failed = Err(e),
                }
            }
        });
        failed
    }

    /// Writes the tensors to a safetensors file, which is replaced whole or left as it was.
    ///
    /// # Errors
    /// As [`save_safetensors`](crate::io::save_safetensors).
    fn save(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        files::save(path.as_ref(), &self.parameters())
    }

    /// Reads the tensors from a safetensors file and converts them to the dtypes of this model.
    ///
    /// # Errors
    /// One error that lists each tensor that is missing, unknown, or of another shape; nothing is then changed. As
    /// [`load_safetensors`](crate::io::load_safetensors) besides.
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        let new = files::load(path.as_ref(), &self.parameters())?;
        let mut next = new.into_iter();
        self.visit_mut(&mut |a, kind| {
            if kind != TensorKind::Key {
                next.next().into_iter().for_each(|new| *a = new);
            }
        });
        Ok(())
    }
}

/// A layer from one array to one array.
pub trait Module: Parameters + CloneModule + Send {
    /// The layer's function.
    ///
    /// # Errors
    /// If the array does not fit the layer.
    fn forward(&self, x: &Array) -> Result<Array>;
}

/// Clones a module of unknown type. Implemented for every module that is [`Clone`].
#[doc(hidden)]
pub trait CloneModule {
    fn boxed(&self) -> Box<dyn Module>;
}

impl<T: Module + Clone + 'static> CloneModule for T {
    fn boxed(&self) -> Box<dyn Module> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Module> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl fmt::Debug for Box<dyn Module> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, "Module", &**self)
    }
}

/// The outputs of `loss`, the first of which is a scalar, and its gradient with respect to each tensor of
/// [`Parameters::trainable`]. MLX: `nn.value_and_grad`.
///
/// `loss` gets the model and `inputs`. Buffers and keys of the model, such as running statistics, are then as `loss` left
/// them.
///
/// ```
/// use mlx_runtime::nn::{self, losses, Parameters, Sequential};
/// use mlx_runtime::optim::{Optimizer, Sgd};
/// use mlx_runtime::{random::Key, Array};
/// let (first, second) = Key::new(0)?.split()?;
/// let mut model = Sequential::new()
///     .push(nn::Linear::new(2, 8, true, &first)?)
///     .push_fn(nn::relu)
///     .push(nn::Linear::new(8, 1, true, &second)?);
/// let x = Array::try_from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])?;
/// let y = Array::try_from([[0.0f32], [1.0], [1.0], [2.0]])?;
/// let loss = |model: &Sequential, batch: &[Array]| {
///     let y = nn::Module::forward(model, &batch[0])?;
///     Ok(vec![losses::mse_loss(&y, &batch[1], losses::Reduction::Mean)?])
/// };
/// let opt = Sgd { learning_rate: 0.1, ..Sgd::default() };
/// let values = |m: &Sequential| m.trainable().into_iter().map(|(_, a)| a).collect::<Vec<_>>();
/// let mut state = opt.init(&values(&model))?;
/// let mut last = f32::INFINITY;
/// for _ in 0..50 {
///     let (value, grads) = nn::value_and_grad(&mut model, &[x.clone(), y.clone()], loss)?;
///     let (new, next) = opt.step(&values(&model), &grads, &state, None)?;
///     model.set_trainable(&new)?;
///     state = next;
///     last = value[0].item()?;
/// }
/// assert!(last < 0.05);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
///
/// # Errors
/// If nothing in the model trains, `loss` returns nothing or fails, or its first output is no scalar.
pub fn value_and_grad<M, F>(
    model: &mut M,
    inputs: &[Array],
    loss: F,
) -> Result<(Vec<Array>, Vec<Array>)>
where
    M: Parameters + Clone + Send + 'static,
    F: Fn(&M, &[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let trained = model.trainable().into_iter().map(|(_, a)| a).collect();
    let mut states = 0;
    model.visit("", &mut |_, _, kind| states += usize::from(kind.is_state()));
    let skeleton = model.clone();
    let body = move |trained: &[Array], inputs: &[Array]| {
        let mut model = skeleton.clone();
        model.set_trainable(trained)?;
        let mut out = gradient::check_loss(loss(&model, inputs)?)?;
        model.visit("", &mut |_, a, kind| {
            out.extend(kind.is_state().then(|| a.clone()));
        });
        Ok(out)
    };
    let (mut values, grads) = gradient::of_trained(trained, inputs, "set_frozen(false)", body)?;
    let mut next = values
        .split_off(values.len().saturating_sub(states))
        .into_iter();
    model.visit_mut(&mut |a, kind| {
        if kind.is_state() {
            next.next().into_iter().for_each(|new| *a = new);
        }
    });
    Ok((values, grads))
}

/// Name, tensors and number of values of a layer.
pub(crate) fn describe(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    layer: &(impl Parameters + ?Sized),
) -> fmt::Result {
    let mut out = f.debug_struct(name);
    let mut count = 0;
    layer.visit("", &mut |name, a, kind| {
        if kind != TensorKind::Key {
            count += a.size();
            let name = if name.is_empty() { "value" } else { name };
            out.field(name, &format_args!("{}{:?}", a.dtype(), a.shape()));
        }
    });
    out.field("parameters", &count).finish()
}

macro_rules! layers {
    ($($layer:ident)*) => {$(
        impl Parameters for $layer {
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
                self.each(&mut |name, a, trained| {
                    f(&join(path, name), a, TensorKind::of(trained));
                });
            }

            fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
                self.each_mut(&mut |a, trained| f(a, TensorKind::of(trained)));
            }

            fn set_frozen(&mut self, frozen: bool) {
                // The layer's own method.
                $layer::set_frozen(self, frozen);
            }
        }

        impl fmt::Debug for $layer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                describe(f, stringify!($layer), self)
            }
        }
    )*};
}

macro_rules! modules {
    ($($layer:ident)*) => {$(
        impl Module for $layer {
            fn forward(&self, x: &Array) -> Result<Array> {
                $layer::forward(self, x)
            }
        }
    )*};
}

layers!(Linear Embedding RmsNorm LayerNorm Conv1d Conv2d SwitchLinear Param);
modules!(Linear Embedding RmsNorm LayerNorm Conv1d Conv2d);

impl<T: Parameters + ?Sized> Parameters for Box<T> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        (**self).visit(path, f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        (**self).visit_mut(f);
    }

    fn train(&mut self, on: bool) {
        (**self).train(on);
    }

    fn set_frozen(&mut self, frozen: bool) {
        (**self).set_frozen(frozen);
    }

    fn changes(&self) -> bool {
        (**self).changes()
    }
}

/// Names are `0.weight`, `1.weight`, ..
impl<T: Parameters> Parameters for Vec<T> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        for (i, layer) in self.iter().enumerate() {
            layer.visit(&join(path, &i.to_string()), f);
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        self.iter_mut().for_each(|layer| layer.visit_mut(f));
    }

    fn train(&mut self, on: bool) {
        self.iter_mut().for_each(|layer| layer.train(on));
    }

    fn set_frozen(&mut self, frozen: bool) {
        self.iter_mut().for_each(|layer| layer.set_frozen(frozen));
    }

    fn changes(&self) -> bool {
        self.iter().any(Parameters::changes)
    }
}

impl<T: Parameters> Parameters for Option<T> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        self.iter().for_each(|layer| layer.visit(path, f));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        self.iter_mut().for_each(|layer| layer.visit_mut(f));
    }

    fn train(&mut self, on: bool) {
        self.iter_mut().for_each(|layer| layer.train(on));
    }

    fn set_frozen(&mut self, frozen: bool) {
        self.iter_mut().for_each(|layer| layer.set_frozen(frozen));
    }

    fn changes(&self) -> bool {
        self.iter().any(Parameters::changes)
    }
}

/// The path of a field, for [`parameters!`](crate::parameters).
#[doc(hidden)]
pub fn path_of(path: &str, name: &str) -> String {
    join(path, name)
}

/// Implements [`nn::Parameters`](crate::nn::Parameters) and [`Trainable`](crate::model::Trainable) for a struct of layers
/// that is [`Clone`]; tensors are named after the fields.
///
/// ```
/// use mlx_runtime::nn::{self, Linear, Parameters};
/// use mlx_runtime::{random::Key, Array};
///
/// #[derive(Clone, Debug)]
/// struct Gated {
///     gate: Linear,
///     up: Linear,
/// }
///
/// mlx_runtime::parameters!(Gated { gate, up });
///
/// impl nn::Module for Gated {
///     fn forward(&self, x: &Array) -> mlx_runtime::Result<Array> {
///         (nn::silu(&self.gate.forward(x)?)? * self.up.forward(x)?).check()
///     }
/// }
///
/// let (a, b) = Key::new(0)?.split()?;
/// let layer = Gated { gate: Linear::new(2, 4, false, &a)?, up: Linear::new(2, 4, false, &b)? };
/// assert_eq!(layer.parameters()[1].0, "up.weight");
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[macro_export]
macro_rules! parameters {
    ($model:ident { $($field:ident),* $(,)? }) => {
        impl $crate::nn::Parameters for $model {
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &$crate::Array, $crate::nn::TensorKind)) {
                $($crate::nn::Parameters::visit(
                    &self.$field,
                    &$crate::nn::path_of(path, ::core::stringify!($field)),
                    f,
                );)*
            }

            fn visit_mut(&mut self, f: &mut dyn FnMut(&mut $crate::Array, $crate::nn::TensorKind)) {
                $($crate::nn::Parameters::visit_mut(&mut self.$field, f);)*
            }

            fn train(&mut self, on: bool) {
                $($crate::nn::Parameters::train(&mut self.$field, on);)*
            }

            fn set_frozen(&mut self, frozen: bool) {
                $($crate::nn::Parameters::set_frozen(&mut self.$field, frozen);)*
            }

            fn changes(&self) -> bool {
                false $(|| $crate::nn::Parameters::changes(&self.$field))*
            }
        }

        $crate::__trainable!($model);
    };
}
