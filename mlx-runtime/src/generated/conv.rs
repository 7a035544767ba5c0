//! Convolutions.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/conv.toml`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Result};

/// `[B, D, H, W, in], [out, kd, kh, kw, in / groups] -> [B, D', H', W', out]`. MLX: `conv3d`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
pub fn conv3d(
    input: &Array,
    weight: &Array,
    stride: (i32, i32, i32),
    padding: (i32, i32, i32),
    dilation: (i32, i32, i32),
    groups: i32,
) -> Result<Array> {
    const OP: &str = "conv3d";
    crate::array::check_inputs([input, weight])?;
    crate::ops::check_conv_inputs(OP, input, weight)?;
    crate::ops::check_conv(
        OP,
        &[
            stride.0, stride.1, stride.2, dilation.0, dilation.1, dilation.2,
        ],
        &[padding.0, padding.1, padding.2],
        groups,
    )?;
    let pads = [padding.0, padding.1, padding.2];
    crate::ops::check_conv_reach(
        OP,
        [input, weight],
        [&pads; 2],
        [&[dilation.0, dilation.1, dilation.2], &[]],
    )?;

    build(OP, &[input, weight], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_conv3d(
                out,
                input.as_raw(),
                weight.as_raw(),
                stride.0,
                stride.1,
                stride.2,
                padding.0,
                padding.1,
                padding.2,
                dilation.0,
                dilation.1,
                dilation.2,
                groups,
                s,
            )
        }
    })
}

/// A convolution of any number of dimensions, `[B, .., in], [out, .., in / groups] -> [B, .., out]`;
/// each list has one entry for each of them, or one for all; `flip` turns the kernel around.
/// [`crate::ops::Conv`] takes them by name. MLX: `conv_general`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
#[allow(clippy::too_many_arguments)] // MLX's own arguments
pub fn conv_general(
    input: &Array,
    weight: &Array,
    stride: &[i32],
    padding_lo: &[i32],
    padding_hi: &[i32],
    kernel_dilation: &[i32],
    input_dilation: &[i32],
    groups: i32,
    flip: bool,
) -> Result<Array> {
    const OP: &str = "conv_general";
    crate::array::check_inputs([input, weight])?;
    crate::ops::check_conv_inputs(OP, input, weight)?;
    crate::ops::check_conv_general(
        OP,
        input,
        [stride, kernel_dilation, input_dilation],
        [padding_lo, padding_hi],
        groups,
    )?;
    crate::ops::check_conv_reach(
        OP,
        [input, weight],
        [padding_lo, padding_hi],
        [kernel_dilation, input_dilation],
    )?;
    let padded = crate::ops::even_padding(input, padding_lo, padding_hi, input_dilation)?;
    let (input, padding_lo, padding_hi) = match &padded {
        Some(padded) => (padded, &[0][..], &[0][..]),
        None => (input, padding_lo, padding_hi),
    };

    build(OP, &[input, weight], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_conv_general(
                out,
                input.as_raw(),
                weight.as_raw(),
                stride.as_ptr(),
                stride.len(),
                padding_lo.as_ptr(),
                padding_lo.len(),
                padding_hi.as_ptr(),
                padding_hi.len(),
                kernel_dilation.as_ptr(),
                kernel_dilation.len(),
                input_dilation.as_ptr(),
                input_dilation.len(),
                groups,
                flip,
                s,
            )
        }
    })
}

/// The transpose of [`crate::ops::conv1d`], `[B, L, in], [out, k, in / groups] -> [B, L', out]`.
/// MLX: `conv_transpose1d`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
pub fn conv_transpose1d(
    input: &Array,
    weight: &Array,
    stride: i32,
    padding: i32,
    dilation: i32,
    output_padding: i32,
    groups: i32,
) -> Result<Array> {
    const OP: &str = "conv_transpose1d";
    crate::array::check_inputs([input, weight])?;
    crate::ops::check_conv_inputs(OP, input, weight)?;
    crate::ops::check_conv(OP, &[stride, dilation], &[padding, output_padding], groups)?;

    build(OP, &[input, weight], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_conv_transpose1d(
                out,
                input.as_raw(),
                weight.as_raw(),
                stride,
                padding,
                dilation,
                output_padding,
                groups,
                s,
            )
        }
    })
}

/// The transpose of [`crate::ops::conv2d`],
/// `[B, H, W, in], [out, kh, kw, in / groups] -> [B, H', W', out]`. MLX: `conv_transpose2d`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
pub fn conv_transpose2d(
    input: &Array,
    weight: &Array,
    stride: (i32, i32),
    padding: (i32, i32),
    dilation: (i32, i32),
    output_padding: (i32, i32),
    groups: i32,
) -> Result<Array> {
    const OP: &str = "conv_transpose2d";
    crate::array::check_inputs([input, weight])?;
    crate::ops::check_conv_inputs(OP, input, weight)?;
    crate::ops::check_conv(
        OP,
        &[stride.0, stride.1, dilation.0, dilation.1],
        &[padding.0, padding.1, output_padding.0, output_padding.1],
        groups,
    )?;

    build(OP, &[input, weight], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_conv_transpose2d(
                out,
                input.as_raw(),
                weight.as_raw(),
                stride.0,
                stride.1,
                padding.0,
                padding.1,
                dilation.0,
                dilation.1,
                output_padding.0,
                output_padding.1,
                groups,
                s,
            )
        }
    })
}

/// The transpose of [`conv3d`],
/// `[B, D, H, W, in], [out, kd, kh, kw, in / groups] -> [B, D', H', W', out]`.
/// MLX: `conv_transpose3d`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
pub fn conv_transpose3d(
    input: &Array,
    weight: &Array,
    stride: (i32, i32, i32),
    padding: (i32, i32, i32),
    dilation: (i32, i32, i32),
    output_padding: (i32, i32, i32),
    groups: i32,
) -> Result<Array> {
    const OP: &str = "conv_transpose3d";
    crate::array::check_inputs([input, weight])?;
    crate::ops::check_conv_inputs(OP, input, weight)?;
    crate::ops::check_conv(
        OP,
        &[
            stride.0, stride.1, stride.2, dilation.0, dilation.1, dilation.2,
        ],
        &[
            padding.0,
            padding.1,
            padding.2,
            output_padding.0,
            output_padding.1,
            output_padding.2,
        ],
        groups,
    )?;

    build(OP, &[input, weight], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_conv_transpose3d(
                out,
                input.as_raw(),
                weight.as_raw(),
                stride.0,
                stride.1,
                stride.2,
                padding.0,
                padding.1,
                padding.2,
                dilation.0,
                dilation.1,
                dilation.2,
                output_padding.0,
                output_padding.1,
                output_padding.2,
                groups,
                s,
            )
        }
    })
}
