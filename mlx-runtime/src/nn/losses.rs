//! Losses, as `mlx.nn.losses` defines them.
//!
//! Tests: `tests/layers.rs`.
//!
//! [`Reduction`] says what becomes of the losses of single elements or rows. See
//! [`linear_cross_entropy`](super::linear_cross_entropy) for a loss that never holds all logits.
//!
//! ```
//! use mlx_runtime::nn::losses::{cross_entropy, Reduction};
//! use mlx_runtime::Array;
//! let logits = Array::try_from([[2.0f32, -1.0], [-1.0, 2.0]])?;
//! let targets = Array::try_from([0, 1])?;
//! let loss = cross_entropy(&logits, &targets, None, -1, 0.0, Reduction::Mean)?;
//! assert!((loss.item::<f32>()? - 0.0485873).abs() < 1e-6);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```

use super::scalar::{number, scaled, shifted};
use super::softplus;
use crate::ops::{
    abs, add, astype, clip, divide, exp, expand_dims, less, log, logaddexp, logsumexp, max,
    maximum, mean, minimum, multiply, negative, sqrt, square, squeeze, stop_gradient, subtract,
    sum, take_along_axis, where_,
};
use crate::{Array, Dtype, Error, Result};

/// The reduction of the losses of single elements or rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// They stay as they are. The default of most losses of `mlx.nn`.
    #[default]
    None,
    /// Their mean, a scalar.
    Mean,
    /// Their sum, a scalar.
    Sum,
}

impl Reduction {
    fn of(self, loss: Array) -> Result<Array> {
        match self {
            Reduction::None => Ok(loss),
            Reduction::Mean => mean(&loss, &[], false),
            Reduction::Sum => sum(&loss, &[], false),
        }
    }
}

impl std::str::FromStr for Reduction {
    type Err = Error;

    /// `none`, `mean` or `sum`, as `mlx.nn` names them.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Reduction::None),
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            other => {
                let text = format!("invalid reduction {other:?}: expected none, mean or sum");
                Err(Error::invalid("reduction", text))
            }
        }
    }
}

/// The element of each row that its target names.
fn picked(rows: &Array, targets: &Array, axis: i32) -> Result<Array> {
    squeeze(
        &take_along_axis(rows, &expand_dims(targets, &[axis])?, axis)?,
        &[axis],
    )
}

/// `logits [.., V]`, `targets [..]` of indices or `[.., V]` of probabilities, `weights [..]` -> `[..]`, float32.
///
/// V lies along `axis`. `label_smoothing` in [0, 1) moves that share of each target to all classes alike.
/// MLX: `nn.losses.cross_entropy`.
///
/// # Errors
/// If the shapes do not broadcast, or the smoothing is outside [0, 1).
pub fn cross_entropy(
    logits: &Array,
    targets: &Array,
    weights: Option<&Array>,
    axis: i32,
    label_smoothing: f32,
    reduction: Reduction,
) -> Result<Array> {
    if !(0.0..1.0).contains(&label_smoothing) {
        let text = format!(
            "invalid label smoothing {label_smoothing}: expected 0 or more and less than 1"
        );
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
    reduction.of(loss)
}

/// `-(targets * log(p) + (1 - targets) * log(1 - p))`, where `inputs` are p, or its logits if `with_logits`.
///
/// `inputs`, `targets` and `weights` `[..]` -> `[..]`; logarithms are -100 or more.
/// MLX: `nn.losses.binary_cross_entropy`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn binary_cross_entropy(
    inputs: &Array,
    targets: &Array,
    weights: Option<&Array>,
    with_logits: bool,
    reduction: Reduction,
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
    reduction.of(loss)
}

/// `(predictions - targets)^2`, `[..], [..] -> [..]`. MLX: `nn.losses.mse_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn mse_loss(predictions: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    reduction.of(square(&subtract(predictions, targets)?)?)
}

/// `|predictions - targets|`, `[..], [..] -> [..]`. MLX: `nn.losses.l1_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn l1_loss(predictions: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    reduction.of(abs(&subtract(predictions, targets)?)?)
}

/// `d^2 / (2 beta)` where the distance `d` is below `beta`, else `d - beta / 2`; `[..], [..] -> [..]`.
/// MLX: `nn.losses.smooth_l1_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn smooth_l1_loss(
    predictions: &Array,
    targets: &Array,
    beta: f32,
    reduction: Reduction,
) -> Result<Array> {
    let beta = f64::from(beta);
    let d = abs(&subtract(predictions, targets)?)?;
    let beta_of = number(beta, &d)?;
    let near = divide(&scaled(0.5, &square(&d)?)?, &beta_of)?;
    let loss = where_(&less(&d, &beta_of)?, &near, &shifted(&d, -0.5 * beta)?)?;
    reduction.of(loss)
}

/// `d^2 / 2` where the distance `d` is `delta` or less, else `delta * (d - delta / 2)` (Huber 1964);
/// `[..], [..] -> [..]`. MLX: `nn.losses.huber_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn huber_loss(
    inputs: &Array,
    targets: &Array,
    delta: f32,
    reduction: Reduction,
) -> Result<Array> {
    let delta = f64::from(delta);
    let d = abs(&subtract(inputs, targets)?)?;
    let near = minimum(&d, &number(delta, &d)?)?;
    let far = subtract(&d, &near)?;
    let loss = add(&scaled(0.5, &square(&near)?)?, &scaled(delta, &far)?)?;
    reduction.of(loss)
}

/// `log(cosh(inputs - targets))`, `[..], [..] -> [..]`. MLX: `nn.losses.log_cosh_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn log_cosh_loss(inputs: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    let d = subtract(inputs, targets)?;
    let both = logaddexp(&d, &negative(&d)?)?;
    reduction.of(shifted(&both, -std::f64::consts::LN_2)?)
}

/// `max(1 - inputs * targets, 0)` of targets -1 and 1, `[..], [..] -> [..]`. MLX: `nn.losses.hinge_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn hinge_loss(inputs: &Array, targets: &Array, reduction: Reduction) -> Result<Array> {
    let margin = subtract(&number(1.0, inputs)?, &multiply(inputs, targets)?)?;
    reduction.of(maximum(&margin, &number(0.0, inputs)?)?)
}

/// The negative log-likelihood of `targets` under normal distributions with means `inputs` and variances `vars`, `[..]`
/// each -> `[..]`.
///
/// Variances are `eps` or more; `full` adds the constant `log(2 pi) / 2`. MLX: `nn.losses.gaussian_nll_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn gaussian_nll_loss(
    inputs: &Array,
    targets: &Array,
    vars: &Array,
    full: bool,
    eps: f32,
    reduction: Reduction,
) -> Result<Array> {
    let vars = maximum(vars, &number(f64::from(eps), vars)?)?;
    let far = divide(&square(&subtract(targets, inputs)?)?, &vars)?;
    let mut loss = scaled(0.5, &add(&log(&vars)?, &far)?)?;
    if full {
        loss = shifted(&loss, 0.5 * (2.0 * std::f64::consts::PI).ln())?;
    }
    reduction.of(loss)
}

/// `max(0, -targets * (inputs1 - inputs2) + margin)` of targets -1 and 1, `[..]` each -> `[..]`.
/// MLX: `nn.losses.margin_ranking_loss`.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn margin_ranking_loss(
    inputs1: &Array,
    inputs2: &Array,
    targets: &Array,
    margin: f32,
    reduction: Reduction,
) -> Result<Array> {
    let apart = multiply(&negative(targets)?, &subtract(inputs1, inputs2)?)?;
    let loss = maximum(&shifted(&apart, f64::from(margin))?, &number(0.0, &apart)?)?;
    reduction.of(loss)
}

/// `sum(exp(targets) * (targets - inputs))` along `axis`, of log-probabilities `[.., V] -> [..]`.
/// MLX: `nn.losses.kl_div_loss`.
///
/// # Errors
/// If the shapes do not broadcast, or there is no such axis.
pub fn kl_div_loss(
    inputs: &Array,
    targets: &Array,
    axis: i32,
    reduction: Reduction,
) -> Result<Array> {
    let each = multiply(&exp(targets)?, &subtract(targets, inputs)?)?;
    reduction.of(sum(&each, &[axis], false)?)
}

/// The cosine of the angle between vectors along `axis`, `[.., D], [.., D] -> [..]`.
///
/// The product of their lengths is `eps` or more. MLX: `nn.losses.cosine_similarity_loss`.
///
/// # Errors
/// If the shapes do not broadcast, or there is no such axis.
pub fn cosine_similarity_loss(
    x1: &Array,
    x2: &Array,
    axis: i32,
    eps: f32,
    reduction: Reduction,
) -> Result<Array> {
    let norm = |x: &Array| sqrt(&sum(&square(x)?, &[axis], false)?);
    let sizes = multiply(&norm(x1)?, &norm(x2)?)?;
    let sizes = maximum(&sizes, &number(f64::from(eps), &sizes)?)?;
    let loss = divide(&sum(&multiply(x1, x2)?, &[axis], false)?, &sizes)?;
    reduction.of(loss)
}

/// `-inputs` at the targets: log-probabilities `[.., V]` and indices `[..]` -> `[..]`. V lies along `axis`.
/// MLX: `nn.losses.nll_loss`.
///
/// # Errors
/// If the shapes do not broadcast, or there is no such axis.
pub fn nll_loss(inputs: &Array, targets: &Array, axis: i32, reduction: Reduction) -> Result<Array> {
    reduction.of(negative(&picked(inputs, targets, axis)?)?)
}
