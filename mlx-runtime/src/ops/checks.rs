//! Checks of arguments that MLX does not make.
//!
//! Tests: `tests/invalid_arguments`.

use super::conv;
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// See [`conv`]: steps of at least one, padding of at least zero.
pub(crate) fn check_conv(
    op: &'static str,
    steps: &[i32],
    padding: &[i32],
    groups: i32,
) -> Result<()> {
    conv::check(op, steps, padding, groups)
}

/// Convolutions divide by the sizes of both.
pub(crate) fn check_conv_inputs(op: &'static str, input: &Array, weight: &Array) -> Result<()> {
    crate::array::check_inputs([input, weight])?;
    if input.size() == 0 || weight.size() == 0 {
        return Err(Error::shape(
            op,
            format!("expected arrays with elements, found {input:?} and {weight:?}"),
        ));
    }
    Ok(())
}

/// The kernel fits into the padded input along each axis. MLX rounds the number of its places
/// towards zero, and reads beyond the input where a step is longer than what is missing.
pub(crate) fn check_conv_reach(
    op: &'static str,
    [input, weight]: [&Array; 2],
    [padding_lo, padding_hi]: [&[i32]; 2],
    [kernel_dilation, input_dilation]: [&[i32]; 2],
) -> Result<()> {
    let entry = |list: &[i32], axis: usize, none: i32| {
        i64::from(*list.get(axis).or(list.first()).unwrap_or(&none))
    };
    let sizes = input.shape().iter().zip(weight.shape()).skip(1);
    let spatial = input.ndim().saturating_sub(2);
    for (axis, (&n, &k)) in sizes.take(spatial).enumerate() {
        let padding = entry(padding_lo, axis, 0) + entry(padding_hi, axis, 0);
        let padded = i64::from(n - 1) * entry(input_dilation, axis, 1) + 1 + padding;
        let kernel = i64::from(k - 1) * entry(kernel_dilation, axis, 1) + 1;
        if padded < kernel {
            return Err(Error::shape(
                op,
                format!(
                    "expected a kernel that fits into the input along axis {}, found {kernel} for {padded} (padding and dilation included): {input:?} and {weight:?}",
                    axis + 1
                ),
            ));
        }
    }
    Ok(())
}

/// One entry for each spatial axis, one for all, or none.
pub(crate) fn check_conv_general(
    op: &'static str,
    input: &Array,
    steps: [&[i32]; 3],
    padding: [&[i32]; 2],
    groups: i32,
) -> Result<()> {
    let axes = input.ndim().saturating_sub(2);
    for list in steps.iter().chain(&padding) {
        if list.len() > 1 && list.len() != axes {
            return Err(Error::shape(
                op,
                format!("expected one number for each of {axes} axes, found {list:?}"),
            ));
        }
    }
    conv::check(op, &steps.concat(), &padding.concat(), groups)
}

/// The input with its padding, where that is not the same on both sides: MLX gives the gradient of
/// such a convolution the wrong shape.
pub(crate) fn even_padding(
    input: &Array,
    low: &[i32],
    high: &[i32],
    dilation: &[i32],
) -> Result<Option<Array>> {
    let axes = input.ndim().saturating_sub(2);
    // One number stands for all, none for zero.
    let at = |list: &[i32], i: usize| match list {
        [] => 0,
        [all] => *all,
        each => each.get(i).copied().unwrap_or(0),
    };
    let even = (0..axes).all(|i| at(low, i) == at(high, i));
    if even || dilation.iter().any(|&d| d != 1) {
        return Ok(None);
    }
    let mut widths = vec![(0, 0); input.ndim()];
    for i in 0..axes {
        widths[i + 1] = (at(low, i), at(high, i));
    }
    let zero = Array::scalar_as(0.0, input.dtype())?;
    super::pad(input, &widths, &zero).map(Some)
}

/// At least one array.
pub(crate) fn check_some(op: &'static str, arrays: &[&Array]) -> Result<()> {
    if arrays.is_empty() {
        return Err(Error::invalid(op, "expected one array or more, found none"));
    }
    Ok(())
}

/// Each axis exists.
pub(crate) fn check_axes(op: &'static str, a: &Array, axes: &[i32]) -> Result<()> {
    crate::array::check_inputs([a])?;
    for &axis in axes {
        a.dim(axis).map_err(|e| e.renamed(op))?;
    }
    Ok(())
}

/// Checks that a Hadamard transform of the last axis exists. MLX takes other sizes too, and writes beyond the array.
pub(crate) fn check_hadamard(op: &'static str, a: &Array) -> Result<()> {
    let n = a.shape().last().copied().unwrap_or(1);
    let fits = |m: i32| n % m == 0 && ((n / m) as u32).is_power_of_two() && n / m <= 1 << 26;
    if ![1, 12, 20, 28].into_iter().any(fits) {
        return Err(Error::shape(
            op,
            format!("expected m * 2^k elements along the last axis, with m of 1, 12, 20 or 28, found {n}"),
        ));
    }
    if matches!(a.dtype(), Dtype::Float64 | Dtype::Complex64) {
        let message = format!("expected float32, float16 or bfloat16, found {}", a.dtype());
        return Err(Error::new(ErrorKind::Dtype, message).with_op(op));
    }
    Ok(())
}

/// An axis has at least as many elements as it is to lose.
pub(crate) fn check_diff(op: &'static str, a: &Array, n: i32, axis: i32) -> Result<()> {
    crate::array::check_inputs([a])?;
    let size = a.dim(axis).map_err(|e| e.renamed(op))?;
    if !(0..=size).contains(&n) {
        return Err(Error::shape(
            op,
            format!("expected 0 to {size} differences, the size of the axis, found {n}"),
        ));
    }
    Ok(())
}

/// The padding is not negative, and its value one number.
pub(crate) fn check_pad(op: &'static str, a: &Array, width: i32, value: &Array) -> Result<()> {
    crate::array::check_inputs([a, value])?;
    let largest = a.shape().iter().copied().max().unwrap_or(0);
    if width < 0
        || width
            .checked_mul(2)
            .and_then(|w| w.checked_add(largest))
            .is_none()
    {
        return Err(Error::invalid(
            op,
            format!("invalid padding {width}: expected 0 or more"),
        ));
    }
    if value.size() != 1 {
        return Err(Error::shape(
            op,
            format!(
                "expected a scalar as value, found shape {:?}",
                value.shape()
            ),
        ));
    }
    Ok(())
}

/// Two matrices with elements that can be multiplied.
pub(crate) fn check_inner(op: &'static str, a: &Array, b: &Array) -> Result<()> {
    crate::array::check_inputs([a, b])?;
    match (a.shape(), b.shape()) {
        ([_, k], [l, _]) if k == l && a.size() > 0 && b.size() > 0 => Ok(()),
        (a, b) => Err(Error::shape(
            op,
            format!("expected shapes [m, k] and [k, n], found {a:?} and {b:?}"),
        )),
    }
}

/// Both arrays have that many axes.
pub(crate) fn check_count(op: &'static str, n: i32, a: &Array, b: &Array) -> Result<()> {
    let most = a.ndim().min(b.ndim());
    match usize::try_from(n) {
        Ok(n) if n <= most => Ok(()),
        _ => Err(Error::shape(
            op,
            format!("expected at most {most} axes, found {n}"),
        )),
    }
}

/// The zeros that are the trace of matrices whose diagonal is empty: MLX would add up whatever is
/// there.
pub(crate) fn empty_trace(
    op: &'static str,
    a: &Array,
    offset: i32,
    axes: [i32; 2],
    dtype: Dtype,
) -> Result<Option<Array>> {
    crate::array::check_inputs([a])?;
    let ndim = i32::try_from(a.ndim()).unwrap_or(i32::MAX);
    let first = |axis: i32| {
        if axis < 0 {
            axis.saturating_add(ndim)
        } else {
            axis
        }
    };
    let [i, j] = axes.map(first);
    let rows = a.dim(i).map_err(|e| e.renamed(op))? - (-offset).max(0);
    let columns = a.dim(j).map_err(|e| e.renamed(op))? - offset.max(0);
    if i == j || a.size() > 0 && rows.min(columns) > 0 {
        return Ok(None);
    }
    let others = a
        .shape()
        .iter()
        .zip(0..)
        .filter(|(_, axis)| *axis != i && *axis != j);
    let shape: Vec<i32> = others.map(|(n, _)| *n).collect();
    super::zeros(&shape, dtype).map(Some)
}

/// Numbers cut to `0..=n`.
pub(crate) fn within(op: &'static str, numbers: &Array, n: i32) -> Result<Array> {
    crate::array::check_inputs([numbers])?;
    if !numbers.dtype().is_integer() {
        let e = Error::new(
            ErrorKind::Dtype,
            format!("expected integers, found {}", numbers.dtype()),
        );
        return Err(e.with_op(op));
    }
    let numbers = super::astype(numbers, Dtype::Int32)?;
    let (low, high) = (Array::scalar(0i32)?, Array::scalar(n)?);
    super::clip(&numbers, Some(&low), Some(&high))
}
