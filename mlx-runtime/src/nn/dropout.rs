//! Random zeros.
//!
//! Tests: `tests/layers.rs`.

use std::cell::RefCell;

use super::module::{Module, Parameters, TensorKind};
use crate::kernels::dropout::dropout;
use crate::random::Key;
use crate::{Array, Error, Result};

/// In train mode zero with probability `p`, else `x / (1 - p)`; in eval mode `x` (Srivastava et al. 2014).
/// `mlx.nn.Dropout`.
///
/// The layer has a key of its own, so that the same seed gives the same zeros; each `forward` in train mode takes the next.
/// Clones start from the same key.
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f32,
    key: RefCell<Key>,
    training: bool,
}

impl Dropout {
    /// A layer in train mode.
    ///
    /// # Errors
    /// If `p` is not in [0, 1).
    pub fn new(p: f32, key: &Key) -> Result<Self> {
        if !(0.0..1.0).contains(&p) {
            let text = format!("invalid probability {p}: expected 0 or more and less than 1");
            return Err(Error::invalid("Dropout", text));
        }
        Ok(Dropout {
            p,
            key: RefCell::new(key.clone()),
            training: true,
        })
    }

    /// `[..] -> [..]`.
    ///
    /// # Errors
    /// The error that MLX reports.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        if !self.training || self.p == 0.0 {
            return Ok(x.clone());
        }
        let (now, next) = self.key.borrow().split()?;
        *self.key.borrow_mut() = next;
        dropout(x, 1.0 - self.p, &now)
    }
}

impl Parameters for Dropout {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
        let name = super::path_of(path, "key");
        f(&name, self.key.borrow().as_array(), TensorKind::Key);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
        f(self.key.get_mut().as_array_mut(), TensorKind::Key);
    }

    fn train(&mut self, on: bool) {
        self.training = on;
    }

    fn set_frozen(&mut self, _frozen: bool) {}

    fn changes(&self) -> bool {
        self.training && self.p > 0.0
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Array) -> Result<Array> {
        Dropout::forward(self, x)
    }
}
