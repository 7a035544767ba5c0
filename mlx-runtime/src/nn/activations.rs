//! Activations, as `mlx.nn` defines them: elementwise functions `[..] -> [..]`, unless an axis is named.
//!
//! A floating-point array keeps its dtype; whole numbers become float32 where the function is not whole.
//!
//! Tests: `tests/layers.rs`.

use super::scalar::{number, scaled, shifted};
use crate::ops::{
    abs, add, divide, erf, exp, greater, logaddexp, logsumexp, max, maximum, minimum, multiply,
    negative, sigmoid, sign, softmax, split, square, stop_gradient, subtract, tanh, where_,
};
use crate::{Array, Result};

/// `max(x, 0)`.
///
/// `[..] -> [..]`. MLX: `nn.relu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn relu(x: &Array) -> Result<Array> {
    maximum(x, &number(0.0, x)?)
}

/// `max(x, 0)^2`.
///
/// `[..] -> [..]`. MLX: `nn.relu2`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn relu2(x: &Array) -> Result<Array> {
    square(&relu(x)?)
}

/// `min(max(x, 0), 6)`.
///
/// `[..] -> [..]`. MLX: `nn.relu6`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn relu6(x: &Array) -> Result<Array> {
    minimum(&relu(x)?, &number(6.0, x)?)
}

/// `max(slope * x, x)`.
///
/// `[..] -> [..]`. MLX: `nn.leaky_relu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn leaky_relu(x: &Array, negative_slope: f32) -> Result<Array> {
    maximum(&scaled(f64::from(negative_slope), x)?, x)
}

/// `max(0, x) + alpha * min(0, x)`.
///
/// `x [..]`, `alpha` broadcasts to it, -> `[..]`. MLX: `nn.prelu`.
///
/// # Errors
/// If `alpha` does not broadcast, or MLX refuses the dtypes.
pub fn prelu(x: &Array, alpha: &Array) -> Result<Array> {
    let zero = number(0.0, x)?;
    add(&maximum(&zero, x)?, &multiply(alpha, &minimum(&zero, x)?)?)
}

/// `x` where it is positive, else `alpha * (exp(x) - 1)`.
///
/// `[..] -> [..]`. MLX: `nn.elu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn elu(x: &Array, alpha: f32) -> Result<Array> {
    let below = scaled(f64::from(alpha), &shifted(&exp(x)?, -1.0)?)?;
    where_(&greater(x, &number(0.0, x)?)?, x, &below)
}

/// `max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)`.
///
/// `[..] -> [..]`. MLX: `nn.celu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn celu(x: &Array, alpha: f32) -> Result<Array> {
    let alpha = f64::from(alpha);
    let below = divide(&minimum(x, &number(0.0, x)?)?, &number(alpha, x)?)?;
    add(&relu(x)?, &scaled(alpha, &shifted(&exp(&below)?, -1.0)?)?)
}

/// `1.0507 * elu(x, 1.67326)` (Klambauer et al. 2017).
///
/// `[..] -> [..]`. MLX: `nn.selu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn selu(x: &Array) -> Result<Array> {
    scaled(1.0507, &elu(x, 1.67326)?)
}

/// `x * sigmoid(x)`.
///
/// `[..] -> [..]`. MLX: `nn.silu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn silu(x: &Array) -> Result<Array> {
    multiply(x, &sigmoid(x)?)
}

/// `x * (1 + erf(x / sqrt(2))) / 2`, exact (Hendrycks & Gimpel 2016).
///
/// `[..] -> [..]`. MLX: `nn.gelu`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn gelu(x: &Array) -> Result<Array> {
    let inner = erf(&scaled(std::f64::consts::FRAC_1_SQRT_2, x)?)?;
    scaled(0.5, &multiply(x, &shifted(&inner, 1.0)?)?)
}

/// `gelu` by a tangent: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
///
/// `[..] -> [..]`. MLX: `nn.gelu_approx`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn gelu_approx(x: &Array) -> Result<Array> {
    let cube = scaled(0.044715, &multiply(&square(x)?, x)?)?;
    let inner = scaled((2.0 / std::f64::consts::PI).sqrt(), &add(x, &cube)?)?;
    multiply(&scaled(0.5, x)?, &shifted(&tanh(&inner)?, 1.0)?)
}

/// `x * sigmoid(1.702 * x)`.
///
/// `[..] -> [..]`. MLX: `nn.gelu_fast_approx`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn gelu_fast_approx(x: &Array) -> Result<Array> {
    multiply(x, &sigmoid(&scaled(1.702, x)?)?)
}

/// `x * tanh(softplus(x))` (Misra 2019).
///
/// `[..] -> [..]`. MLX: `nn.mish`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn mish(x: &Array) -> Result<Array> {
    multiply(x, &tanh(&softplus(x)?)?)
}

/// `x * min(max(x + 3, 0), 6) / 6`.
///
/// `[..] -> [..]`. MLX: `nn.hardswish`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn hardswish(x: &Array) -> Result<Array> {
    let inner = relu6(&shifted(x, 3.0)?)?;
    divide(&multiply(x, &inner)?, &number(6.0, x)?)
}

/// `min(max(x, min_val), max_val)`.
///
/// `[..] -> [..]`. MLX: `nn.hard_tanh`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn hard_tanh(x: &Array, min_val: f32, max_val: f32) -> Result<Array> {
    let low = maximum(x, &number(f64::from(min_val), x)?)?;
    minimum(&low, &number(f64::from(max_val), x)?)
}

/// `x` where its size is more than `lambd`, else 0.
///
/// `[..] -> [..]`. MLX: `nn.hard_shrink`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn hard_shrink(x: &Array, lambd: f32) -> Result<Array> {
    let beyond = greater(&abs(x)?, &number(f64::from(lambd), x)?)?;
    where_(&beyond, x, &number(0.0, x)?)
}

/// `x - sign(x) * lambd` where the size of `x` is more than `lambd`, else 0.
///
/// `[..] -> [..]`. MLX: `nn.softshrink`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn softshrink(x: &Array, lambd: f32) -> Result<Array> {
    let lambd = f64::from(lambd);
    let beyond = greater(&abs(x)?, &number(lambd, x)?)?;
    let drawn = subtract(x, &scaled(lambd, &sign(x)?)?)?;
    where_(&beyond, &drawn, &number(0.0, x)?)
}

/// `log(1 + exp(x))`.
///
/// `[..] -> [..]`. MLX: `nn.softplus`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn softplus(x: &Array) -> Result<Array> {
    logaddexp(x, &number(0.0, x)?)
}

/// `x / (1 + |x|)`.
///
/// `[..] -> [..]`. MLX: `nn.softsign`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn softsign(x: &Array) -> Result<Array> {
    divide(x, &shifted(&abs(x)?, 1.0)?)
}

/// `log(sigmoid(x))`.
///
/// `[..] -> [..]`. MLX: `nn.log_sigmoid`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn log_sigmoid(x: &Array) -> Result<Array> {
    negative(&softplus(&negative(x)?)?)
}

/// `softmax(-x)` along one axis.
///
/// `[..] -> [..]`. MLX: `nn.softmin`.
///
/// # Errors
/// If there is no such axis.
pub fn softmin(x: &Array, axis: i32) -> Result<Array> {
    softmax(&negative(x)?, &[axis], false)
}

/// `log(softmax(x))` along one axis.
///
/// `[..] -> [..]`. MLX: `nn.log_softmax`.
///
/// # Errors
/// If there is no such axis.
pub fn log_softmax(x: &Array, axis: i32) -> Result<Array> {
    let x = subtract(x, &stop_gradient(&max(x, &[axis], true)?)?)?;
    subtract(&x, &logsumexp(&x, &[axis], true)?)
}

/// One half of an axis times the sigmoid of the other (Dauphin et al. 2017).
///
/// `[.., 2 n, ..] -> [.., n, ..]`. MLX: `nn.glu`.
///
/// # Errors
/// If there is no such axis, or its size is odd.
pub fn glu(x: &Array, axis: i32) -> Result<Array> {
    let halves = split(x, 2, axis)?;
    multiply(&halves[0], &sigmoid(&halves[1])?)
}
