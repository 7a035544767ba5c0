//! Bare tensors.
//!
//! Tests: `tests/layers.rs`.

use crate::Array;

/// A tensor of a model that no layer owns; `self.name` in a body.
#[derive(Clone)]
pub struct Param {
    value: Array,
    pub(super) frozen: bool,
    /// The definition says `#[frozen]`.
    pub(super) pinned: bool,
}

impl Param {
    /// A tensor to be trained.
    pub fn new(value: Array) -> Self {
        Self::from_parts(value, false)
    }

    pub(crate) fn from_parts(value: Array, frozen: bool) -> Self {
        Param {
            value,
            frozen,
            pinned: false,
        }
    }

    /// The tensor.
    pub fn value(&self) -> Array {
        self.value.clone()
    }

    /// True if the backward pass reads what it is multiplied with.
    #[doc(hidden)]
    pub fn keeps_input(&self) -> bool {
        !self.frozen
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        f("", &self.value, !self.frozen);
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        f(&mut self.value, !self.frozen);
    }
}
