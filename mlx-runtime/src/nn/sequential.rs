//! Layers one after the other.
//!
//! Tests: `tests/models_of_layers.rs`.

use super::module::{Module, Parameters, TensorKind};
use crate::model::loader::join;
use crate::{Array, Result};

/// Layers and functions of which each takes the result of the one before. `mlx.nn.Sequential`: tensors are named
/// `layers.0.weight`, and a function takes a number, too.
///
/// ```
/// use mlx_runtime::nn::{Linear, Module, Sequential};
/// use mlx_runtime::{nn, random::Key, Array};
/// let (a, b) = Key::new(0)?.split()?;
/// let model = Sequential::new()
///     .push(Linear::new(4, 16, true, &a)?)
///     .push_fn(nn::gelu)
///     .push(Linear::new(16, 2, true, &b)?);
/// assert_eq!(model.forward(&Array::try_from([[0.5f32; 4]])?)?.shape(), [1, 2]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Module>>,
}

impl Sequential {
    /// The identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a layer.
    #[must_use]
    pub fn push(mut self, layer: impl Module + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Appends a function without tensors, such as [`relu`](super::relu).
    #[must_use]
    pub fn push_fn<F>(self, function: F) -> Self
    where
        F: Fn(&Array) -> Result<Array> + Clone + Send + 'static,
    {
        self.push(Function(function))
    }

    /// The layers and functions, in order.
    pub fn layers(&self) -> &[Box<dyn Module>] {
        &self.layers
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Array) -> Result<Array> {
        let mut layers = self.layers.iter();
        layers.try_fold(x.clone(), |x, layer| layer.forward(&x))
    }
}

impl Parameters for Sequential {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        self.layers.visit(&join(path, "layers"), f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        self.layers.visit_mut(f);
    }

    fn train(&mut self, on: bool) {
        self.layers.train(on);
    }

    fn set_frozen(&mut self, frozen: bool) {
        self.layers.set_frozen(frozen);
    }

    fn changes(&self) -> bool {
        self.layers.changes()
    }
}

/// A function in place of a layer.
#[derive(Clone)]
struct Function<F>(F);

impl<F> Module for Function<F>
where
    F: Fn(&Array) -> Result<Array> + Clone + Send + 'static,
{
    fn forward(&self, x: &Array) -> Result<Array> {
        (self.0)(x)
    }
}

impl<F> Parameters for Function<F> {
    fn visit(&self, _path: &str, _f: &mut dyn FnMut(&str, &Array, TensorKind)) {}

    fn visit_mut(&mut self, _f: &mut dyn FnMut(&mut Array, TensorKind)) {}

    fn set_frozen(&mut self, _frozen: bool) {}
}
