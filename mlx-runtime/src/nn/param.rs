//! Bare tensors.

use crate::Array;

/// A tensor of a model that no layer owns; `self.name` in a body.
#[derive(Clone)]
pub struct Param {
    value: Array,
    frozen: bool,
}

impl Param {
    pub(crate) fn new(value: Array, frozen: bool) -> Self {
        Param { value, frozen }
    }

    /// The tensor.
    pub fn value(&self) -> Array {
        self.value.clone()
    }

    pub(crate) fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        f("", &self.value, !self.frozen);
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        f(&mut self.value, !self.frozen);
    }
}
