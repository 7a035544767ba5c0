//! Pooling: windows over the middle axes, channels last, as `mlx.nn` pools.
//!
//! Tests: `tests/layers.rs`.

use crate::ops::{self, as_strided, max, mean, reshape, transpose};
use crate::{Array, Error, Result};

/// The largest of each window, `[B, L, C] -> [B, L', C]`, in the dtype of `x`. MLX: `nn.MaxPool1d`.
///
/// L' is `(L + 2 * padding - kernel) / stride + 1`; the stride is the kernel's size unless given.
///
/// # Errors
/// If `x` has other dims, or a window, stride or padding does not fit it.
pub fn max_pool1d(x: &Array, kernel: i32, stride: Option<i32>, padding: i32) -> Result<Array> {
    let stride = [stride.unwrap_or(kernel)];
    let (x, axes) = windows(
        "max_pool1d",
        x,
        &[kernel],
        &stride,
        &[padding],
        f64::NEG_INFINITY,
    )?;
    max(&x, &axes, false)
}

/// The mean of each window, the padding's zeros included, `[B, L, C] -> [B, L', C]`. MLX: `nn.AvgPool1d`.
///
/// L' is `(L + 2 * padding - kernel) / stride + 1`; the stride is the kernel's size unless given.
///
/// # Errors
/// If `x` has other dims, or a window, stride or padding does not fit it.
pub fn avg_pool1d(x: &Array, kernel: i32, stride: Option<i32>, padding: i32) -> Result<Array> {
    let stride = [stride.unwrap_or(kernel)];
    let (x, axes) = windows("avg_pool1d", x, &[kernel], &stride, &[padding], 0.0)?;
    mean(&x, &axes, false)
}

/// The largest of each window, `[B, H, W, C] -> [B, H', W', C]`, in the dtype of `x`. MLX: `nn.MaxPool2d`.
///
/// H' is `(H + 2 * padding - kernel) / stride + 1`, W' likewise; the stride is the kernel's size unless given.
///
/// # Errors
/// If `x` has other dims, or a window, stride or padding does not fit it.
pub fn max_pool2d(
    x: &Array,
    kernel: &[i32; 2],
    stride: Option<&[i32; 2]>,
    padding: &[i32; 2],
) -> Result<Array> {
    let stride = stride.unwrap_or(kernel);
    let (x, axes) = windows("max_pool2d", x, kernel, stride, padding, f64::NEG_INFINITY)?;
    max(&x, &axes, false)
}

/// The mean of each window, the padding's zeros included, `[B, H, W, C] -> [B, H', W', C]`. MLX: `nn.AvgPool2d`.
///
/// H' is `(H + 2 * padding - kernel) / stride + 1`, W' likewise; the stride is the kernel's size unless given.
///
/// # Errors
/// If `x` has other dims, or a window, stride or padding does not fit it.
pub fn avg_pool2d(
    x: &Array,
    kernel: &[i32; 2],
    stride: Option<&[i32; 2]>,
    padding: &[i32; 2],
) -> Result<Array> {
    let stride = stride.unwrap_or(kernel);
    let (x, axes) = windows("avg_pool2d", x, kernel, stride, padding, 0.0)?;
    mean(&x, &axes, false)
}

/// `[B, size.., C] -> [B, places.., kernel.., C]`, and the axes of the kernel.
fn windows(
    op: &'static str,
    x: &Array,
    kernel: &[i32],
    stride: &[i32],
    padding: &[i32],
    border: f64,
) -> Result<(Array, Vec<i32>)> {
    crate::array::check_inputs([x])?;
    let n = kernel.len();
    let below = |all: &[i32], least: i32| all.iter().any(|v| *v < least);
    if x.ndim() != n + 2 || below(kernel, 1) || below(stride, 1) || below(padding, 0) {
        let text = format!(
            "expected windows and strides of 1 or more, padding of 0 or more and [batch, sizes.., channels], found windows {kernel:?}, stride {stride:?} and padding {padding:?} for {:?}",
            x.shape()
        );
        return Err(Error::shape(op, text));
    }
    let padded;
    let x = if padding.iter().any(|p| *p > 0) {
        let middle = padding.iter().map(|p| (*p, *p));
        let widths: Vec<(i32, i32)> = [(0, 0)].into_iter().chain(middle).chain([(0, 0)]).collect();
        padded = ops::pad(x, &widths, &Array::scalar_as(border, x.dtype())?)?;
        &padded
    } else {
        x
    };
    let shape = x.shape().to_vec();
    let sizes = &shape[1..=n];
    if sizes.iter().zip(kernel).any(|(s, k)| s < k) {
        return Err(Error::shape(
            op,
            format!("expected windows that fit into the input, found {kernel:?} for {shape:?}"),
        ));
    }
    let axes: Vec<i32> = (n as i32 + 1..=2 * n as i32).collect();
    let (batch, channels) = (shape[0], shape[n + 1]);
    if kernel == stride && sizes.iter().zip(kernel).all(|(s, k)| s % k == 0) {
        let halves = sizes.iter().zip(kernel).flat_map(|(s, k)| [s / k, *k]);
        let parted: Vec<i32> = [batch]
            .into_iter()
            .chain(halves)
            .chain([channels])
            .collect();
        let last = parted.len() as i32 - 1;
        let order = [0].into_iter().chain((1..last).step_by(2));
        let order: Vec<i32> = order.chain((2..last).step_by(2)).chain([last]).collect();
        return Ok((transpose(&reshape(x, &parted)?, &order)?, axes));
    }
    let mut steps = vec![1i64; shape.len()];
    for i in (0..shape.len() - 1).rev() {
        steps[i] = steps[i + 1].saturating_mul(i64::from(shape[i + 1]));
    }
    let places = (0..n).map(|i| (sizes[i] - kernel[i]) / stride[i] + 1);
    let out = [batch].into_iter().chain(places);
    let out: Vec<i32> = out
        .chain(kernel.iter().copied())
        .chain([channels])
        .collect();
    let jumps = (0..n).map(|i| steps[i + 1].saturating_mul(i64::from(stride[i])));
    let by = [steps[0]].into_iter().chain(jumps);
    let by: Vec<i64> = by.chain(steps[1..].iter().copied()).collect();
    Ok((as_strided(x, &out, &by, 0)?, axes))
}
