//! Losses, as `mlx.nn.losses` defines them.

use super::{expand_dims, number, scaled, shifted, softplus, squeeze};
use crate::ops::{
    abs, add, astype, clip, divide, exp, less, log, logaddexp, logsumexp, max, maximum, mean,
    minimum, multiply, negative, sqrt, square, stop_gradient, subtract, sum, take_along_axis,
    where_,
};
use crate::{Array, Dtype, Error, Result};

/// What is left of a loss: "none", "mean" or "sum".
fn finish(loss: Array, reduction: &str) -> Result<Array> {
    match reduction {
        "none" => Ok(loss),
        "mean" => mean(&loss, &[], false),
        "sum" => sum(&loss, &[], false),
        other => {
            let text = format!("a reduction is none, mean or sum, not {other}");
            Err(Error::invalid("reduction", text))
        }
    }
}

/// The element of each row that its target names.
fn picked(rows: &Array, targets: &Array, axis: i32) -> Result<Array> {
    squeeze(
        &take_along_axis(rows, &expand_dims(targets, axis)?, axis)?,
        axis,
    )
}

/// `logits [.., V]`, `targets [..]` of indices or `[.., V]` of probabilities -> `[..]`, float32.
pub fn cross_entropy(
    logits: &Array,
    targets: &Array,
    weights: Option<&Array>,
    axis: i32,
    label_smoothing: f32,
    reduction: &str,
) -> Result<Array> {
    if !(0.0..1.0).contains(&label_smoothing) {
        let text = format!("label smoothing is in [0, 1), found {label_smoothing}");
        return Err(Error::invalid("cross_entropy", text));
    }
    let mut logits = astype(logits, Dtype::Float32)?;
    let score = match targets.dtype().is_float() {
        true => {
            // Where the targets do not add up to 1, the shift is part of the result, as in MLX.
            logits = subtract(&logits, &stop_gradient(&max(&logits, &[axis], true)?)?)?;
            sum(&multiply(&logits, targets)?, &[axis], false)?
        }
        false => picked(&logits, targets, axis)?,
    };
    let all = logsumexp(&logits, &[axis], false)?;
    let mut loss = if label_smoothing > 0.0 {
        let s = f64::from(label_smoothing);
        let kept = subtract(&all, &scaled(1.0 - s, &score)?)?;
        subtract(&kept, &scaled(s, &mean(&logits, &[axis], false)?)?)?
    } else {
        subtract(&all, &score)?
    };
    if let Some(w) = weights {
        loss = multiply(&loss, &astype(w, Dtype::Float32)?)?;
    }
    finish(loss, reduction)
}

/// `-(targets * log(p) + (1 - targets) * log(1 - p))`, where `inputs` are p or its logits.
pub fn binary_cross_entropy(
    inputs: &Array,
    targets: &Array,
    weights: Option<&Array>,
    with_logits: bool,
    reduction: &str,
) -> Result<Array> {
    let mut loss = if with_logits {
        subtract(&softplus(inputs)?, &multiply(inputs, targets)?)?
    } else {
        let limit = number(-100.0, inputs)?;
        let one = number(1.0, inputs)?;
        let yes = clip(&log(inputs)?, Some(&limit), None)?;
        let no = clip(&log(&subtract(&one, inputs)?)?, Some(&limit), None)?;
        let (yes, no) = (
            multiply(targets, &yes)?,
            multiply(&subtract(&one, targets)?, &no)?,
        );
        negative(&add(&yes, &no)?)?
    };
    if let Some(w) = weights {
        loss = multiply(&loss, w)?;
    }
    finish(loss, reduction)
}

/// `(predictions - targets)^2`.
pub fn mse_loss(predictions: &Array, targets: &Array, reduction: &str) -> Result<Array> {
    finish(square(&subtract(predictions, targets)?)?, reduction)
}

/// `|predictions - targets|`.
pub fn l1_loss(predictions: &Array, targets: &Array, reduction: &str) -> Result<Array> {
    finish(abs(&subtract(predictions, targets)?)?, reduction)
}

/// `d^2 / (2 beta)` where the distance `d` is below `beta`, else `d - beta / 2`.
pub fn smooth_l1_loss(
    predictions: &Array,
    targets: &Array,
    beta: f32,
    reduction: &str,
) -> Result<Array> {
    let beta = f64::from(beta);
    let d = abs(&subtract(predictions, targets)?)?;
    let beta_of = number(beta, &d)?;
    let near = divide(&scaled(0.5, &square(&d)?)?, &beta_of)?;
    let loss = where_(&less(&d, &beta_of)?, &near, &shifted(&d, -0.5 * beta)?)?;
    finish(loss, reduction)
}

/// Squared within `delta` of the target, linear beyond (Huber 1964).
pub fn huber_loss(inputs: &Array, targets: &Array, delta: f32, reduction: &str) -> Result<Array> {
    let delta = f64::from(delta);
    let d = abs(&subtract(inputs, targets)?)?;
    let near = minimum(&d, &number(delta, &d)?)?;
    let far = subtract(&d, &near)?;
    let loss = add(&scaled(0.5, &square(&near)?)?, &scaled(delta, &far)?)?;
    finish(loss, reduction)
}

/// `log(cosh(inputs - targets))`.
pub fn log_cosh_loss(inputs: &Array, targets: &Array, reduction: &str) -> Result<Array> {
    let d = subtract(inputs, targets)?;
    let both = logaddexp(&d, &negative(&d)?)?;
    finish(shifted(&both, -std::f64::consts::LN_2)?, reduction)
}

/// `max(1 - inputs * targets, 0)`.
pub fn hinge_loss(inputs: &Array, targets: &Array, reduction: &str) -> Result<Array> {
    let margin = subtract(&number(1.0, inputs)?, &multiply(inputs, targets)?)?;
    finish(maximum(&margin, &number(0.0, inputs)?)?, reduction)
}

/// The negative log-likelihood of `targets` under normal distributions.
pub fn gaussian_nll_loss(
    inputs: &Array,
    targets: &Array,
    vars: &Array,
    full: bool,
    eps: f32,
    reduction: &str,
) -> Result<Array> {
    let vars = maximum(vars, &number(f64::from(eps), vars)?)?;
    let far = divide(&square(&subtract(targets, inputs)?)?, &vars)?;
    let mut loss = scaled(0.5, &add(&log(&vars)?, &far)?)?;
    if full {
        loss = shifted(&loss, 0.5 * (2.0 * std::f64::consts::PI).ln())?;
    }
    finish(loss, reduction)
}

/// `max(0, -targets * (inputs1 - inputs2) + margin)`.
pub fn margin_ranking_loss(
    inputs1: &Array,
    inputs2: &Array,
    targets: &Array,
    margin: f32,
    reduction: &str,
) -> Result<Array> {
    let apart = multiply(&negative(targets)?, &subtract(inputs1, inputs2)?)?;
    let loss = maximum(&shifted(&apart, f64::from(margin))?, &number(0.0, &apart)?)?;
    finish(loss, reduction)
}

/// `sum(exp(targets) * (targets - inputs))` along one axis: both are log-probabilities.
pub fn kl_div_loss(inputs: &Array, targets: &Array, axis: i32, reduction: &str) -> Result<Array> {
    let each = multiply(&exp(targets)?, &subtract(targets, inputs)?)?;
    finish(sum(&each, &[axis], false)?, reduction)
}

/// The cosine of the angle between two vectors along one axis.
pub fn cosine_similarity_loss(
    x1: &Array,
    x2: &Array,
    axis: i32,
    eps: f32,
    reduction: &str,
) -> Result<Array> {
    let norm = |x: &Array| sqrt(&sum(&square(x)?, &[axis], false)?);
    let sizes = multiply(&norm(x1)?, &norm(x2)?)?;
    let sizes = maximum(&sizes, &number(f64::from(eps), &sizes)?)?;
    let loss = divide(&sum(&multiply(x1, x2)?, &[axis], false)?, &sizes)?;
    finish(loss, reduction)
}

/// `-inputs` at the targets, along one axis.
pub fn nll_loss(inputs: &Array, targets: &Array, axis: i32, reduction: &str) -> Result<Array> {
    finish(negative(&picked(inputs, targets, axis)?)?, reduction)
}
