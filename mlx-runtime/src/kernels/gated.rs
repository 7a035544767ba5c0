//! Gated linear units (Shazeer 2020), each with a gradient of its own: of what MLX would keep for
//! the backward pass, several arrays as wide as the gate, two are kept.
//!
//! Tests: `tests/fused_kernels.rs`, `mlx-tests --test kept_bytes`, `mlx-models --test native_kernels`.

use mlx_macros::mlx_kernel;

use super::rows::axes::{as_before, three};
use super::select;
use crate::nn::scalar::{scaled, shifted};
use crate::ops::{add, multiply, negative, sigmoid, square, tanh};
use crate::{nn, ops, transforms, Array, Error, Result};

#[mlx_kernel]
fn silu_gated(gate: Tensor![B, L, F], up: Tensor![B, L, F]) -> Tensor![B, L, F] {
    silu(gate) * up
}

#[mlx_kernel]
fn gelu_gated(gate: Tensor![B, L, F], up: Tensor![B, L, F]) -> Tensor![B, L, F] {
    gelu_approx(gate) * up
}

/// Of an array that holds both, so that one array is the gradient.
#[mlx_kernel]
fn silu_joined(gates: Tensor![N, 2, F]) -> Tensor![N, F] {
    silu(take(gates, full([], 0, i32), 1)) * take(gates, full([], 1, i32), 1)
}

#[mlx_kernel]
fn gelu_joined(gates: Tensor![N, 2, F]) -> Tensor![N, F] {
    gelu_approx(take(gates, full([], 0, i32), 1)) * take(gates, full([], 1, i32), 1)
}

/// `silu(gate) * up`, `[..], [..] -> [..]`: the gate of a feed-forward block (Shazeer, arXiv:2002.05202).
///
/// # Errors
/// If the shapes differ.
pub fn swiglu(gate: &Array, up: &Array) -> Result<Array> {
    check(gate, up)?;
    if select::rows_anywhere(&[gate, up]) {
        return as_before(silu_gated(&three(gate)?, &three(up)?)?, gate);
    }
    gated(gate, up, nn::silu, silu_and_slope)
}

/// `gelu_approx(gate) * up`, `[..], [..] -> [..]`.
///
/// # Errors
/// If the shapes differ.
pub fn geglu(gate: &Array, up: &Array) -> Result<Array> {
    check(gate, up)?;
    if select::rows_anywhere(&[gate, up]) {
        return as_before(gelu_gated(&three(gate)?, &three(up)?)?, gate);
    }
    gated(gate, up, nn::gelu_approx, gelu_and_slope)
}

fn check(gate: &Array, up: &Array) -> Result<()> {
    if gate.shape() == up.shape() {
        return Ok(());
    }
    let (a, b) = (gate.shape(), up.shape());
    let text = format!("expected `gate` in the shape of `up`, {b:?}, found {a:?}");
    Err(Error::shape("gated", text))
}

/// `silu(g) * u`, or with `gelu` `gelu_approx(g) * u`, of `gates [.., 2 F]` that hold `g` and `u` side by side -> `[.., F]`.
/// `None` unless one kernel computes it.
pub(crate) fn of_joined(gates: &Array, gelu: bool) -> Option<Result<Array>> {
    let width = *gates.shape().last()?;
    let fits = width % 2 == 0 && select::rows_anywhere(&[gates]);
    fits.then(|| joined(gates, width / 2, gelu))
}

fn joined(gates: &Array, size: i32, gelu: bool) -> Result<Array> {
    let flat = ops::reshape(gates, &[-1, 2, size])?;
    let y = match gelu {
        true => gelu_joined(&flat)?,
        false => silu_joined(&flat)?,
    };
    let mut shape = gates.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = size;
    }
    ops::reshape(&y, &shape)
}

type Activation = fn(&Array) -> Result<Array>;
type WithSlope = fn(&Array) -> Result<(Array, Array)>;

fn gated(gate: &Array, up: &Array, activation: Activation, both: WithSlope) -> Result<Array> {
    if !transforms::is_differentiating() {
        return multiply(&activation(gate)?, up);
    }
    let unit = transforms::custom_vjp(
        move |p| Ok(vec![multiply(&activation(&p[0])?, &p[1])?]),
        move |p, by, _| {
            // Nothing else says that this is not to be computed before the backward pass.
            let gate = transforms::depends(&[&p[0]], &[&by[0]])?.swap_remove(0);
            let (value, slope) = both(&gate)?;
            let through = multiply(&by[0], &p[1])?;
            Ok(vec![multiply(&through, &slope)?, multiply(&by[0], &value)?])
        },
    );
    Ok(unit.call(&[gate.clone(), up.clone()])?.swap_remove(0))
}

/// `x s` and `s + x s (1 - s)`, where s is `sigmoid(x)`.
fn silu_and_slope(x: &Array) -> Result<(Array, Array)> {
    let s = sigmoid(x)?;
    let value = multiply(x, &s)?;
    let rest = shifted(&negative(&s)?, 1.0)?;
    let slope = add(&s, &multiply(&value, &rest)?)?;
    Ok((value, slope))
}

/// `x (1 + t) / 2` and `(1 + t) / 2 + x (1 - t^2) u' / 2`, where t is `tanh(u)` and u is
/// `sqrt(2 / pi) (x + 0.044715 x^3)`.
fn gelu_and_slope(x: &Array) -> Result<(Array, Array)> {
    let factor = (2.0 / std::f64::consts::PI).sqrt();
    let squared = square(x)?;
    let inner = multiply(x, &shifted(&scaled(0.044715, &squared)?, 1.0)?)?;
    let t = tanh(&scaled(factor, &inner)?)?;
    let half = scaled(0.5, &shifted(&t, 1.0)?)?;
    let inner_slope = shifted(&scaled(3.0 * 0.044715 * factor, &squared)?, factor)?;
    let tanh_slope = shifted(&negative(&square(&t)?)?, 1.0)?;
    let bend = scaled(0.5, &multiply(x, &multiply(&tanh_slope, &inner_slope)?)?)?;
    Ok((multiply(x, &half)?, add(&half, &bend)?))
}
