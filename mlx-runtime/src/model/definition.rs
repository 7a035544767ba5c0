//! The part of a model that only generated code and this crate call.
//!
//! Tests: `mlx-tests --test models`.

use std::sync::Arc;

use super::layers::{Computed, Saved};
use super::layout::Layout;
use super::sig::Sig;
use super::Loader;
use crate::explain::Outline;
use crate::nn::KvCache;
use crate::{Array, Error, ErrorKind, Result};

/// The items that the macros write for a model with the config `C`.
///
/// A separate trait keeps these items out of the list of methods that an editor offers, and lets a model have methods
/// of the same names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "expected a model",
    note = "a model is a struct with `#[mlx_model]` on it and on one `impl`"
)]
pub trait Definition<C>: Sized {
    /// The signature of `forward`, which callers are checked against.
    const SIG: Sig;
    /// Names and shapes of its tensors, which a digest is compared with.
    const LAYOUT: Layout = Layout::EMPTY;

    /// Calls `f` with the name and value of every field of the config that the layout depends on.
    fn facts(_config: &C, _f: &mut dyn FnMut(&'static str, String)) {}

    /// Makes the model from the tensors of `loader` under `path`; mistakes are left in the loader.
    fn build(config: &Arc<C>, path: &str, loader: &mut Loader) -> Self;

    /// The values that a method keeps for the backward pass, given the shapes of its arguments.
    fn saved(&self, _method: &str, _shapes: &[&[i64]], _on: &Computed) -> Saved {
        Saved::default()
    }

    /// Writes the model's fields and methods into `outline`, for [`explain`](crate::explain).
    fn outline<'a>(&'a self, _outline: &mut Outline<'a>) {}

    /// `forward` with its arrays in a list, for models that have this one as a type parameter.
    fn call(&self, _arrays: &[&Array], _cache: &mut KvCache) -> Result<Vec<Array>> {
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "the model has no `forward` that another model can call",
        ))
    }
}
