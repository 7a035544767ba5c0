//! The data that the macros add to each model: its config, the dtype of its activations, joined weights.
//!
//! Tests: `mlx-tests --test models`.

use std::fmt;
use std::sync::Arc;

use super::{Loader, Model};
use crate::nn::linear::join;
use crate::nn::{Linear, Weight};
use crate::Dtype;

/// The macros' own field of a model.
pub struct Meta<C> {
    config: Arc<C>,
    dtype: Dtype,
    layer: usize,
    joined: Vec<(&'static str, Weight)>,
}

// Not derived: the config itself need not be `Clone`.
impl<C> Clone for Meta<C> {
    fn clone(&self) -> Self {
        Meta {
            config: Arc::clone(&self.config),
            dtype: self.dtype,
            layer: self.layer,
            joined: self.joined.clone(),
        }
    }
}

// Not derived: the config itself need not be `Debug`. For a `derive` that stands above the macro's attribute.
impl<C> fmt::Debug for Meta<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dtype)
    }
}

/// Writes a model as `{:?}` shows it: its dtype, each tensor, and the number of values.
pub fn describe<M: Model>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    dtype: Dtype,
    model: &M,
) -> fmt::Result {
    let mut out = f.debug_struct(name);
    out.field("dtype", &format_args!("{dtype}"));
    let mut count = 0;
    for (name, a) in model.parameters() {
        count += a.size();
        out.field(&name, &format_args!("{}{:?}", a.dtype(), a.shape()));
    }
    out.field("parameters", &count).finish()
}

impl<C> Meta<C> {
    /// For a model that `loader` builds.
    pub fn new(config: &Arc<C>, loader: &Loader) -> Self {
        Meta {
            config: Arc::clone(config),
            dtype: loader.dtype(),
            layer: loader.layer(),
            joined: Vec::new(),
        }
    }

    /// The config.
    pub fn config(&self) -> &C {
        &self.config
    }

    /// The config, for a closure that outlives a call.
    pub fn shared_config(&self) -> Arc<C> {
        Arc::clone(&self.config)
    }

    /// The dtype of the activations.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The place of this model in the nearest stack of layers around it, from 0.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The joined weight of the fields `key`, if there is one.
    pub fn joined(&self, key: &str) -> Option<&Weight> {
        self.joined.iter().find(|(k, _)| *k == key).map(|(_, w)| w)
    }

    /// Joins the weights of layers that share an input, one above the other. The layers keep views
    /// of the joined weight, so that it is held once.
    pub fn join(&mut self, key: &'static str, loader: &mut Loader, layers: &mut [&mut Linear]) {
        if !loader.joins() {
            return;
        }
        match join(layers) {
            Ok(Some(w)) => self.joined.push((key, w)),
            Ok(None) => {}
            Err(e) => loader.failed(key, e),
        }
    }
}
