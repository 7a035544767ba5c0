//! The operations as the language writes them: MLX's own, and what is composed of them as
//! `mlx.nn` composes it.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

mod attention;
mod axis;
mod create;
mod gated;
mod losses;
mod random;
mod shape;

pub use attention::*;
pub use axis::*;
pub use create::*;
pub use gated::{joined_geglu, joined_swiglu};
pub use losses::*;
pub use random::*;
pub use shape::*;

pub use crate::kernels::gated::{geglu, swiglu};
pub use crate::nn::activations::*;
pub use crate::nn::pooling::*;
pub use crate::ops::fast::layer_norm;
pub use crate::ops::{
    abs, addmm, all, any, arccos, arccosh, arcsin, arcsinh, arctan, arctanh, astype,
    bitwise_invert, broadcast_to, ceil, clip, conv1d, conv_transpose1d, cos, cosh, degrees,
    dequantize, einsum, erf, erfinv, exp, expm1, flatten, floor, gather_mm, inner, isfinite, isinf,
    isnan, isneginf, isposinf, log, log10, log1p, log2, logical_not, logsumexp, matmul, max, mean,
    median, min, moveaxis, nan_to_num, negative, ones, ones_like, outer, prod, put_along_axis,
    quantized_matmul, radians, reciprocal, reshape, roll, round, rsqrt, sigmoid, sign, sin, sinh,
    softmax, sqrt, square, std, stop_gradient, sum, swapaxes, take_along_axis, tan, tanh, tile,
    transpose, tril, triu, trunc, unflatten, var, vecdot, zeros, zeros_like,
};

use crate::{ops, Array, Result};

/// Operations that take numbers as well, of arrays alone.
macro_rules! of_arrays {
    ($($name:ident;)*) => {$(
        #[doc = concat!("[`ops::", stringify!($name), "`].")]
        pub fn $name(a: &Array, b: &Array) -> Result<Array> {
            ops::$name(a, b)
        }
    )*};
}

of_arrays! {
    add; arctan2; bitwise_and; bitwise_or; bitwise_xor; divide; equal; floor_divide; greater; greater_equal; left_shift; less;
    less_equal; logaddexp; logical_and; logical_or; logical_xor; maximum; minimum; multiply; not_equal; power; remainder;
    right_shift; subtract;
}

/// [`ops::where_`].
pub fn where_(condition: &Array, x: &Array, y: &Array) -> Result<Array> {
    ops::where_(condition, x, y)
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

/// The transpose of [`conv2d`].
pub fn conv_transpose2d(
    input: &Array,
    weight: &Array,
    stride: &[i32; 2],
    padding: &[i32; 2],
    dilation: &[i32; 2],
    output_padding: &[i32; 2],
    groups: i32,
) -> Result<Array> {
    let pair = |p: &[i32; 2]| (p[0], p[1]);
    ops::conv_transpose2d(
        input,
        weight,
        pair(stride),
        pair(padding),
        pair(dilation),
        pair(output_padding),
        groups,
    )
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
