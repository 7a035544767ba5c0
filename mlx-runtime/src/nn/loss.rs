//! Losses.

use super::Linear;
use crate::{fused, ops, transforms, Array, Dtype, Result};

/// `x [.., D]`, a layer `[V, D]`, `targets [..] of i32`, `weights [..] of f32` -> `[..] of f32`:
/// `weights * (logsumexp(x W^T) - (x W^T)[target])`, the weighted negative log-likelihood.
///
/// Where the layer is frozen the gradient with respect to `x` is taken in the forward pass, so
/// that no logits are kept for the backward pass (Hsu et al. 2024, "Liger kernel"); on the CPU rows
/// of weight zero are not computed at all.
///
/// # Errors
/// If shapes do not fit.
pub fn linear_cross_entropy(
    x: &Array,
    layer: &Linear,
    targets: &Array,
    weights: &Array,
) -> Result<Array> {
    if fused::available(x) && layer.is_frozen() && !layer.has_extras() {
        let w = layer.dense(Dtype::Float32)?;
        return fused::linear_cross_entropy(
            x,
            &w,
            targets,
            weights,
            transforms::is_differentiating(),
        );
    }
    let logits = layer.forward(x)?;
    let logits = ops::astype(&logits, Dtype::Float32)?;
    let picked = ops::take_along_axis(&logits, &ops::expand_dims(targets, &[-1])?, -1)?;
    let nll = ops::subtract(
        &ops::logsumexp(&logits, &[-1], false)?,
        &ops::squeeze(&picked, &[-1])?,
    )?;
    ops::multiply(&nll, weights)
}
