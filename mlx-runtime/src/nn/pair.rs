//! A weight and perhaps a bias, as several layers hold them.
//!
//! Tests: `tests/layers.rs`.

use super::init;
use crate::{ops, Array, Dtype, Result};

/// The tensors of a layer, and whether they train.
#[derive(Clone)]
pub(crate) struct Pair {
    pub weight: Array,
    pub bias: Option<Array>,
    pub(super) frozen: bool,
    /// The definition says `#[frozen]`.
    pub(super) pinned: bool,
}

impl Pair {
    pub(crate) fn new(weight: Array, bias: Option<Array>, frozen: bool) -> Self {
        Pair {
            weight,
            bias,
            frozen,
            pinned: false,
        }
    }

    /// Ones `[n]`, and zeros `[n]` for a layer with a bias; both train.
    pub(super) fn ones(n: i32, bias: bool) -> Result<Self> {
        let weight = ops::ones(&[n], Dtype::Float32)?;
        Ok(Pair::new(weight, init::zeros_if(bias, n)?, false))
    }

    pub(crate) fn trains(&self) -> bool {
        !self.frozen
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        f("weight", &self.weight, !self.frozen);
        if let Some(b) = &self.bias {
            f("bias", b, !self.frozen);
        }
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        f(&mut self.weight, !self.frozen);
        if let Some(b) = &mut self.bias {
            f(b, !self.frozen);
        }
    }
}

/// Forwards a layer of a [`Pair`] to it.
macro_rules! of_pair {
    ($($layer:ident),*) => {$(
        impl $layer {
            /// Never trains, as the definition says.
            pub(crate) fn pin(&mut self) {
                self.tensors.pin();
            }

            pub(crate) fn set_frozen(&mut self, frozen: bool) {
                self.tensors.set_frozen(frozen);
            }

            pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
                self.tensors.each(f);
            }

            pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
                self.tensors.each_mut(f);
            }
        }
    )*};
}
pub(crate) use of_pair;
