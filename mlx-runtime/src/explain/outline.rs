//! A loaded model as a tree of its fields, with the numbers and conditions of its config.
//!
//! Tests: `mlx-tests --test explain`.

use crate::explain::lines::Written;
use crate::explain::source::Report;
use crate::model::layers::{Computed, Saved};
use crate::model::{Leaf, Model};
use crate::Dtype;

type Keeps<'a> = Box<dyn Fn(&[&[i64]], &Computed) -> Saved + 'a>;

/// A loaded model.
#[derive(Default)]
pub struct Outline<'a> {
    pub(super) report: Option<&'static Report>,
    pub(super) dtype: Option<Dtype>,
    /// The config's sizes.
    pub(super) sizes: Vec<(&'static str, i64)>,
    /// The value of each condition of the report's methods.
    pub(super) conditions: Vec<bool>,
    pub(super) parts: Vec<(&'static str, Part<'a>)>,
    /// Computes the values that `forward` keeps for arguments of these shapes.
    pub(super) keeps: Option<Keeps<'a>>,
}

/// The contents of a field.
pub(super) enum Part<'a> {
    /// A layer with weights.
    Leaf(Leaf<'a>),
    /// A layer without weights.
    Plain,
    /// A sub-model.
    Model(Outline<'a>),
    /// A stack of sub-models.
    Layers(Vec<Outline<'a>>),
}

impl<'a> Outline<'a> {
    pub(super) fn of<M: Model>(model: &'a M) -> Self {
        let mut outline = Outline::default();
        model.outline(&mut outline);
        outline.keeps = Some(Box::new(|shapes, on| model.saved("forward", shapes, on)));
        outline
    }

    /// The model itself.
    pub fn model(
        &mut self,
        written: &'static Written,
        dtype: Dtype,
        sizes: &[(&'static str, i64)],
        conditions: &[bool],
    ) {
        self.report = Some(written.report());
        self.dtype = Some(dtype);
        self.sizes = sizes.to_vec();
        self.conditions = conditions.to_vec();
    }

    /// A layer with weights.
    pub fn leaf(&mut self, field: &'static str, leaf: Leaf<'a>) {
        self.parts.push((field, Part::Leaf(leaf)));
    }

    /// A layer without weights.
    pub fn plain(&mut self, field: &'static str) {
        self.parts.push((field, Part::Plain));
    }

    /// A sub-model.
    pub fn child<M: Model>(&mut self, field: &'static str, model: &'a M) {
        self.parts.push((field, Part::Model(Outline::of(model))));
    }

    /// A stack of sub-models.
    pub fn layers<M: Model>(&mut self, field: &'static str, layers: &'a [M]) {
        let all = layers.iter().map(Outline::of).collect();
        self.parts.push((field, Part::Layers(all)));
    }

    pub(super) fn part(&self, field: &str) -> Option<&Part<'a>> {
        self.parts.iter().find(|(f, _)| *f == field).map(|(_, p)| p)
    }
}
