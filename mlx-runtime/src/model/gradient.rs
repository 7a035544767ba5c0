//! Gradients of a model's loss, without a training step.
//!
//! Tests: `mlx-tests --test models`; `tests/models_of_layers.rs`.

use super::Model;
use crate::{transforms, Array, Error, Result};

const OP: &str = "value_and_grad";

/// The outputs of `loss`, the first of which is a scalar, and its gradient with respect to each tensor of
/// [`Model::trainable`]. MLX: `nn.value_and_grad`. For layers of [`nn`](crate::nn) it is
/// [`nn::value_and_grad`](crate::nn::value_and_grad); [`TrainStep`](super::TrainStep) takes whole steps.
///
/// `loss` gets the model and `inputs`.
///
/// # Errors
/// If nothing in the model trains, `loss` returns nothing or fails, or its first output is no scalar.
pub fn value_and_grad<M, F>(
    model: &M,
    inputs: &[Array],
    loss: F,
) -> Result<(Vec<Array>, Vec<Array>)>
where
    M: Model,
    F: Fn(&M, &[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let trained = model.trainable().into_iter().map(|(_, a)| a).collect();
    let skeleton = model.clone();
    let body = move |trained: &[Array], inputs: &[Array]| {
        let mut model = skeleton.clone();
        model.set_trainable(trained)?;
        check_loss(loss(&model, inputs)?)
    };
    of_trained(trained, inputs, "unfreeze()", body)
}

/// The outputs of `body(trained, inputs)`, and the gradient of the first with respect to each trained tensor. `thaw` is the
/// call that makes weights trainable.
pub(crate) fn of_trained(
    trained: Vec<Array>,
    inputs: &[Array],
    thaw: &str,
    body: impl Fn(&[Array], &[Array]) -> Result<Vec<Array>> + Send + 'static,
) -> Result<(Vec<Array>, Vec<Array>)> {
    let count = trained.len();
    if count == 0 {
        let error = Error::invalid(OP, "the model has no trainable tensors");
        return Err(error.with_hint(format!("make weights trainable with `{thaw}`")));
    }
    let argnums: Vec<i32> = (0..i32::try_from(count).unwrap_or(i32::MAX)).collect();
    let body = move |all: &[Array]| {
        let (trained, inputs) = all.split_at(count);
        body(trained, inputs)
    };
    let all = [&trained, inputs].concat();
    transforms::value_and_grad(body, &argnums).call(&all)
}

/// An error if a loss function returned nothing.
pub(crate) fn check_loss(out: Vec<Array>) -> Result<Vec<Array>> {
    if out.is_empty() {
        return Err(Error::invalid(
            OP,
            "expected the loss function to return at least the loss, found nothing",
        ));
    }
    Ok(out)
}
