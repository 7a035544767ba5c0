//! Convolutions. Channels are last; the weight is `[out, kernel.., in / groups]`.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Error, Result};

/// MLX divides by strides and dilations.
pub(super) fn check(op: &'static str, steps: &[i32], padding: &[i32], groups: i32) -> Result<()> {
    if steps.iter().any(|&s| s < 1) || padding.iter().any(|&p| p < 0) || groups < 1 {
        return Err(Error::invalid(
            op,
            format!("expected strides, dilations and groups of 1 or more and padding of 0 or more, found strides and dilations {steps:?}, padding {padding:?} and {groups} groups"),
        ));
    }
    Ok(())
}

/// `[B, L, in], [out, k, in / groups] -> [B, L', out]`. MLX: `conv1d`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
pub fn conv1d(
    input: &Array,
    weight: &Array,
    stride: i32,
    padding: i32,
    dilation: i32,
    groups: i32,
) -> Result<Array> {
    super::check_conv_inputs("conv1d", input, weight)?;
    check("conv1d", &[stride, dilation], &[padding], groups)?;
    super::check_conv_reach(
        "conv1d",
        [input, weight],
        [&[padding]; 2],
        [&[dilation], &[]],
    )?;
    build("conv1d", &[input, weight], |out, s| {
        let (x, w) = (input.as_raw(), weight.as_raw());
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_conv1d(out, x, w, stride, padding, dilation, groups, s) }
    })
}

/// `[B, H, W, in], [out, kh, kw, in / groups] -> [B, H', W', out]`. MLX: `conv2d`.
///
/// # Errors
/// If a number is out of its range, or the shapes do not fit together.
pub fn conv2d(
    input: &Array,
    weight: &Array,
    stride: (i32, i32),
    padding: (i32, i32),
    dilation: (i32, i32),
    groups: i32,
) -> Result<Array> {
    super::check_conv_inputs("conv2d", input, weight)?;
    let steps = [stride.0, stride.1, dilation.0, dilation.1];
    let pads = [padding.0, padding.1];
    check("conv2d", &steps, &pads, groups)?;
    super::check_conv_reach("conv2d", [input, weight], [&pads; 2], [&steps[2..], &[]])?;
    build("conv2d", &[input, weight], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            sys::mlx_conv2d(
                out,
                input.as_raw(),
                weight.as_raw(),
                stride.0,
                stride.1,
                padding.0,
                padding.1,
                dilation.0,
                dilation.1,
                groups,
                s,
            )
        }
    })
}
