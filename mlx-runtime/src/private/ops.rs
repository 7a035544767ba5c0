//! The operations as the language writes them: MLX's own, and what is composed of them.

pub use crate::ops::fast::Mask;
pub use crate::ops::{
    abs, add, argmax, argmin, astype, broadcast_to, concatenate, cos, divide, equal, erf, exp,
    greater, greater_equal, less, less_equal, log, logical_not, logsumexp, matmul, max, maximum,
    mean, min, minimum, multiply, negative, not_equal, power, prod, reciprocal, reshape, rsqrt,
    sigmoid, sin, softmax, split, sqrt, square, stack, stop_gradient, subtract, sum, swapaxes,
    take, take_along_axis, tanh, transpose, where_,
};

use crate::{fused, ops, Array, Dtype, Result};

/// `x * sigmoid(x)`.
pub fn silu(x: &Array) -> Result<Array> {
    multiply(x, &sigmoid(x)?)
}

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Result<Array> {
    maximum(x, &super::weak(0.0, x)?)
}

/// `x * (1 + erf(x / sqrt(2))) / 2`, exact (Hendrycks & Gimpel 2016). `mlx.nn.gelu`.
pub fn gelu(x: &Array) -> Result<Array> {
    let inner = erf(&multiply(
        x,
        &super::weak(std::f64::consts::FRAC_1_SQRT_2, x)?,
    )?)?;
    let one = super::weak(1.0, x)?;
    multiply(&multiply(x, &add(&inner, &one)?)?, &super::weak(0.5, x)?)
}

/// `silu(gate) * up` (Shazeer 2020).
pub fn swiglu(gate: &Array, up: &Array) -> Result<Array> {
    match fused::available(gate) {
        true => fused::swiglu(gate, up),
        false => multiply(&silu(gate)?, up),
    }
}

/// Rows made whole in memory.
pub fn contiguous(a: &Array) -> Result<Array> {
    ops::contiguous(a, false)
}

/// A new axis of size 1.
pub fn expand_dims(a: &Array, axis: i32) -> Result<Array> {
    ops::expand_dims(a, &[axis])
}

/// An axis of size 1 goes.
pub fn squeeze(a: &Array, axis: i32) -> Result<Array> {
    ops::squeeze(a, &[axis])
}

/// `x [.., D]`, `weight [D]`.
pub fn rms_norm(x: &Array, weight: &Array, eps: f32) -> Result<Array> {
    crate::nn::norm::rms_norm(x, weight, eps)
}

/// Attention; the scale is `1/sqrt(head size)` unless given.
pub fn scaled_dot_product_attention(
    q: &Array,
    k: &Array,
    v: &Array,
    mask: Mask<'_>,
    scale: Option<f32>,
) -> Result<Array> {
    let scale = match scale {
        Some(s) => s,
        None => 1.0 / (q.dim(-1)?.max(1) as f32).sqrt(),
    };
    ops::fast::scaled_dot_product_attention(q, k, v, scale, mask, None)
}

/// `logits [.., V]`, `targets [..]` -> `[..]`, float32.
pub fn cross_entropy(logits: &Array, targets: &Array) -> Result<Array> {
    let logits = astype(logits, Dtype::Float32)?;
    let picked = take_along_axis(&logits, &expand_dims(targets, -1)?, -1)?;
    subtract(&logsumexp(&logits, &[-1], false)?, &squeeze(&picked, -1)?)
}
