//! What the macros add to each model: its config, the dtype of its activations, joined weights.

use std::sync::Arc;

use super::Loader;
use crate::nn::Linear;
use crate::{ops, transforms, Array, Dtype, Result};

/// The macros' own field of a model.
pub struct Meta<C> {
    config: Arc<C>,
    dtype: Dtype,
    layer: usize,
    joined: Vec<(&'static str, Array)>,
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

    /// The dtype of the activations.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The place of this model in the nearest stack of layers around it, from 0.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The joined weight of the fields `key`, if there is one.
    pub fn joined(&self, key: &str) -> Option<&Array> {
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
            Err(e) => loader.error(format!("{key}: {e}")),
        }
    }
}

fn join(layers: &mut [&mut Linear]) -> Result<Option<Array>> {
    let Some(weights) = layers
        .iter()
        .map(|l| l.frozen_dense())
        .collect::<Option<Vec<&Array>>>()
    else {
        return Ok(None);
    };
    let joined = ops::concatenate(&weights, 0)?;
    let (mut start, mut views) = (0, Vec::new());
    for w in &weights {
        let (rows, cols) = (w.dim(0)?, w.dim(1)?);
        views.push(ops::slice(
            &joined,
            &[start, 0],
            &[start + rows, cols],
            &[1, 1],
        )?);
        start += rows;
    }
    let all: Vec<&Array> = std::iter::once(&joined).chain(&views).collect();
    transforms::eval(&all)?;
    for (layer, view) in layers.iter_mut().zip(views) {
        layer.set_joined(view);
    }
    Ok(Some(joined))
}
