//! Activations, as `mlx.nn` defines them.

use super::{number, scaled, shifted};
use crate::ops::{
    abs, add, divide, erf, exp, greater, logaddexp, logsumexp, max, maximum, minimum, multiply,
    negative, sigmoid, sign, softmax, split, square, stop_gradient, subtract, tanh, where_,
};
use crate::{Array, Result};

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Result<Array> {
    maximum(x, &number(0.0, x)?)
}

/// `max(x, 0)^2`.
pub fn relu2(x: &Array) -> Result<Array> {
    square(&relu(x)?)
}

/// `min(max(x, 0), 6)`.
pub fn relu6(x: &Array) -> Result<Array> {
    minimum(&relu(x)?, &number(6.0, x)?)
}

/// `max(slope * x, x)`.
pub fn leaky_relu(x: &Array, negative_slope: f32) -> Result<Array> {
    maximum(&scaled(f64::from(negative_slope), x)?, x)
}

/// `max(0, x) + alpha * min(0, x)`.
pub fn prelu(x: &Array, alpha: &Array) -> Result<Array> {
    let zero = number(0.0, x)?;
    add(&maximum(&zero, x)?, &multiply(alpha, &minimum(&zero, x)?)?)
}

/// `x` where it is positive, else `alpha * (exp(x) - 1)`.
pub fn elu(x: &Array, alpha: f32) -> Result<Array> {
    let below = scaled(f64::from(alpha), &shifted(&exp(x)?, -1.0)?)?;
    where_(&greater(x, &number(0.0, x)?)?, x, &below)
}

/// `max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)`.
pub fn celu(x: &Array, alpha: f32) -> Result<Array> {
    let alpha = f64::from(alpha);
    let below = divide(&minimum(x, &number(0.0, x)?)?, &number(alpha, x)?)?;
    add(&relu(x)?, &scaled(alpha, &shifted(&exp(&below)?, -1.0)?)?)
}

/// `1.0507 * elu(x, 1.67326)` (Klambauer et al. 2017).
pub fn selu(x: &Array) -> Result<Array> {
    scaled(1.0507, &elu(x, 1.67326)?)
}

/// `x * sigmoid(x)`.
pub fn silu(x: &Array) -> Result<Array> {
    multiply(x, &sigmoid(x)?)
}

/// `x * (1 + erf(x / sqrt(2))) / 2`, exact (Hendrycks & Gimpel 2016).
pub fn gelu(x: &Array) -> Result<Array> {
    let inner = erf(&scaled(std::f64::consts::FRAC_1_SQRT_2, x)?)?;
    scaled(0.5, &multiply(x, &shifted(&inner, 1.0)?)?)
}

/// `gelu` by a tangent: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
pub fn gelu_approx(x: &Array) -> Result<Array> {
    let cube = scaled(0.044715, &multiply(&square(x)?, x)?)?;
    let inner = scaled((2.0 / std::f64::consts::PI).sqrt(), &add(x, &cube)?)?;
    multiply(&scaled(0.5, x)?, &shifted(&tanh(&inner)?, 1.0)?)
}

/// `x * sigmoid(1.702 * x)`.
pub fn gelu_fast_approx(x: &Array) -> Result<Array> {
    multiply(x, &sigmoid(&scaled(1.702, x)?)?)
}

/// `x * tanh(softplus(x))` (Misra 2019).
pub fn mish(x: &Array) -> Result<Array> {
    multiply(x, &tanh(&softplus(x)?)?)
}

/// `x * min(max(x + 3, 0), 6) / 6`.
pub fn hardswish(x: &Array) -> Result<Array> {
    let inner = relu6(&shifted(x, 3.0)?)?;
    divide(&multiply(x, &inner)?, &number(6.0, x)?)
}

/// `min(max(x, min_val), max_val)`.
pub fn hard_tanh(x: &Array, min_val: f32, max_val: f32) -> Result<Array> {
    let low = maximum(x, &number(f64::from(min_val), x)?)?;
    minimum(&low, &number(f64::from(max_val), x)?)
}

/// `x` where its size is more than `lambd`, else 0.
pub fn hard_shrink(x: &Array, lambd: f32) -> Result<Array> {
    let beyond = greater(&abs(x)?, &number(f64::from(lambd), x)?)?;
    where_(&beyond, x, &number(0.0, x)?)
}

/// `x` drawn towards 0 by `lambd`.
pub fn softshrink(x: &Array, lambd: f32) -> Result<Array> {
    let lambd = f64::from(lambd);
    let beyond = greater(&abs(x)?, &number(lambd, x)?)?;
    let drawn = subtract(x, &scaled(lambd, &sign(x)?)?)?;
    where_(&beyond, &drawn, &number(0.0, x)?)
}

/// `log(1 + exp(x))`.
pub fn softplus(x: &Array) -> Result<Array> {
    logaddexp(x, &number(0.0, x)?)
}

/// `x / (1 + |x|)`.
pub fn softsign(x: &Array) -> Result<Array> {
    divide(x, &shifted(&abs(x)?, 1.0)?)
}

/// `log(sigmoid(x))`.
pub fn log_sigmoid(x: &Array) -> Result<Array> {
    negative(&softplus(&negative(x)?)?)
}

/// `softmax(-x)` along one axis.
pub fn softmin(x: &Array, axis: i32) -> Result<Array> {
    softmax(&negative(x)?, &[axis], false)
}

/// `log(softmax(x))` along one axis.
pub fn log_softmax(x: &Array, axis: i32) -> Result<Array> {
    let x = subtract(x, &stop_gradient(&max(x, &[axis], true)?)?)?;
    subtract(&x, &logsumexp(&x, &[axis], true)?)
}

/// One half of an axis times the sigmoid of the other (Dauphin et al. 2017).
pub fn glu(x: &Array, axis: i32) -> Result<Array> {
    let halves = split(x, 2, axis)?;
    let (a, b) = (
        crate::__private::item(&halves, 0)?,
        crate::__private::item(&halves, 1)?,
    );
    multiply(&a, &sigmoid(&b)?)
}
