//! The operations as the language writes them: MLX's own, and what is composed of them as
//! `mlx.nn` composes it.

mod attention;
mod axis;
mod create;
mod gated;
mod losses;
mod shape;

pub use attention::*;
pub use axis::*;
pub use create::*;
pub use gated::{joined_geglu, joined_swiglu};
pub use losses::*;
pub use shape::*;

pub use crate::kernels::gated::{geglu, swiglu};
pub use crate::nn::{
    avg_pool1d, avg_pool2d, celu, elu, gelu, gelu_approx, gelu_fast_approx, glu, hard_shrink,
    hard_tanh, hardswish, leaky_relu, log_sigmoid, log_softmax, max_pool1d, max_pool2d, mish,
    prelu, relu, relu2, relu6, selu, silu, softmin, softplus, softshrink, softsign,
};
pub use crate::ops::fast::layer_norm;
pub use crate::ops::{
    abs, add, addmm, all, any, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, astype,
    bitwise_and, bitwise_invert, bitwise_or, bitwise_xor, broadcast_to, ceil, clip, conv1d, cos,
    cosh, degrees, dequantize, divide, einsum, equal, erf, erfinv, exp, expm1, flatten, floor,
    floor_divide, gather_mm, greater, greater_equal, inner, isfinite, isinf, isnan, isneginf,
    isposinf, left_shift, less, less_equal, log, log10, log1p, log2, logaddexp, logical_and,
    logical_not, logical_or, logical_xor, logsumexp, matmul, max, mean, median, min, moveaxis,
    multiply, nan_to_num, negative, not_equal, ones, ones_like, outer, prod, put_along_axis,
    quantized_matmul, radians, reciprocal, remainder, reshape, right_shift, roll, round, rsqrt,
    sigmoid, sign, sin, sinh, softmax, sqrt, square, std, stop_gradient, subtract, sum, swapaxes,
    take_along_axis, tan, tanh, tile, transpose, tril, triu, trunc, unflatten, var, vecdot, where_,
    zeros, zeros_like,
};

use crate::{ops, Array, Result};

/// The larger of two elements.
pub fn maximum(a: &Array, b: &Array) -> Result<Array> {
    ops::maximum(a, b)
}

/// The smaller of two elements.
pub fn minimum(a: &Array, b: &Array) -> Result<Array> {
    ops::minimum(a, b)
}

/// Elements to the power of others.
pub fn power(a: &Array, b: &Array) -> Result<Array> {
    ops::power(a, b)
}

/// Rows made whole in memory.
pub fn contiguous(a: &Array) -> Result<Array> {
    ops::contiguous(a, false)
}

/// True where two values are close.
pub fn isclose(a: &Array, b: &Array, rtol: f32, atol: f32, equal_nan: bool) -> Result<Array> {
    ops::isclose(a, b, f64::from(rtol), f64::from(atol), equal_nan)
}

/// `x [.., D]`, `weight [D]`.
pub fn rms_norm(x: &Array, weight: &Array, eps: f32) -> Result<Array> {
    crate::kernels::norm::rms_norm(x, weight, eps, false)
}

/// The axes of `a`, then as many of `b`.
pub fn tensordot(a: &Array, b: &Array, axes: &[i32]) -> Result<Array> {
    let (left, right) = axes.split_at(axes.len() / 2);
    ops::tensordot(a, b, left, right)
}

/// `[B, H, W, in], [out, kh, kw, in / groups] -> [B, H', W', out]`.
pub fn conv2d(
    input: &Array,
    weight: &Array,
    stride: &[i32; 2],
    padding: &[i32; 2],
    dilation: &[i32; 2],
    groups: i32,
) -> Result<Array> {
    let pair = |p: &[i32; 2]| (p[0], p[1]);
    ops::conv2d(
        input,
        weight,
        pair(stride),
        pair(padding),
        pair(dilation),
        groups,
    )
}
