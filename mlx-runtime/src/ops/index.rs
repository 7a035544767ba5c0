//! Reading and writing parts of arrays.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use std::borrow::Cow;

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Error, ErrorKind, Result};

/// Python's `slice.indices`: the bounds and the step of a slice of `n` elements.
///
/// MLX counts the elements again from the bounds whenever it differentiates or vectorises a slice,
/// after it has replaced the step of a single element by 1. The bounds returned here give the same
/// elements each time: one element is `i..i + 1`, none is `0..0`, and a step never exceeds `n`.
pub(crate) fn bounds(start: Option<i32>, stop: Option<i32>, step: i32, n: i32) -> (i32, i32, i32) {
    let (low, high) = if step < 0 { (-1, n - 1) } else { (0, n) };
    let place = |i: i32| {
        let i = i64::from(i) + if i < 0 { i64::from(n) } else { 0 };
        i.clamp(i64::from(low), i64::from(high)) as i32
    };
    let (first, end) = if step < 0 { (high, low) } else { (low, high) };
    let (start, stop) = (start.map_or(first, place), stop.map_or(end, place));
    let length = if step < 0 { start - stop } else { stop - start };
    let step = step.clamp(-n.max(1), n.max(1));
    match length {
        ..=0 => (0, 0, 1),
        _ if length <= step.abs() => (start, start + 1, 1),
        // To MLX, -1 is the last element.
        _ if stop == -1 => (start, n.saturating_neg().saturating_sub(1), step),
        _ => (start, stop, step),
    }
}

/// The bounds of a slice along every axis, as MLX takes them.
pub(crate) struct Bounds<'a> {
    pub(crate) start: Cow<'a, [i32]>,
    pub(crate) stop: Cow<'a, [i32]>,
    pub(crate) strides: Cow<'a, [i32]>,
}

/// Checks the three lists of a slice against the array; lists with a step get those of [`bounds`].
pub(crate) fn slice_bounds<'a>(
    op: &'static str,
    a: &Array,
    start: &'a [i32],
    stop: &'a [i32],
    strides: &'a [i32],
) -> Result<Bounds<'a>> {
    let entries = [start.len(), stop.len(), strides.len()];
    if entries != [a.ndim(); 3] {
        let [start, stop, strides] = entries;
        return Err(Error::shape(
            op,
            format!(
                "expected one start, stop and stride for each axis of shape {:?}, found {start}, {stop} and {strides}",
                a.shape()
            ),
        ));
    }
    if strides.contains(&0) {
        return Err(Error::invalid(op, "expected a stride other than 0"));
    }
    if strides.iter().all(|&step| step == 1) {
        return Ok(Bounds {
            start: start.into(),
            stop: stop.into(),
            strides: strides.into(),
        });
    }
    let axes = a.shape().iter().enumerate();
    let found = axes.map(|(i, &n)| bounds(Some(start[i]), Some(stop[i]), strides[i], n));
    let (mut start, mut stop, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    for (first, end, step) in found {
        start.push(first);
        stop.push(end);
        strides.push(step);
    }
    Ok(Bounds {
        start: start.into(),
        stop: stop.into(),
        strides: strides.into(),
    })
}

/// The elements from `start` to before `stop` in steps of `strides`, one entry for each axis;
/// bounds beyond the array are cut, as in Python. MLX: `a[start:stop:stride, ..]`.
///
/// # Errors
/// If the lists do not have one entry for each axis, or a stride is zero.
///
/// ```
/// use mlx_runtime::{ops, Array};
/// let a = Array::from_slice(&[0i32, 1, 2, 3, 4, 5], &[2, 3])?;
/// let last = ops::slice(&a, &[0, 2], &[2, 3], &[1, 1])?;
/// assert_eq!(last.to_vec::<i32>()?, [2, 5]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn slice(a: &Array, start: &[i32], stop: &[i32], strides: &[i32]) -> Result<Array> {
    crate::array::check_inputs([a])?;
    let Bounds {
        start,
        stop,
        strides,
    } = slice_bounds("slice", a, start, stop, strides)?;
    let n = start.len();
    let part = build("slice", &[a], |out, s| {
        // SAFETY: the three lists have `n` entries; the input and the stream are valid.
        unsafe {
            sys::mlx_slice(
                out,
                a.as_raw(),
                start.as_ptr(),
                n,
                stop.as_ptr(),
                n,
                strides.as_ptr(),
                n,
                s,
            )
        }
    })?;
    // MLX takes a view with negative strides for one without holes, or for one element that repeats:
    // what reads it next would see other memory.
    match strides.iter().any(|&step| step < 0) {
        true => super::contiguous(&part, false),
        false => Ok(part),
    }
}

/// `src` with the slice replaced by `update`, which broadcasts to it. MLX: `a[..] = update`.
///
/// # Errors
/// As [`slice()`], and if `update` does not broadcast to the slice.
pub fn slice_update(
    src: &Array,
    update: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
) -> Result<Array> {
    crate::array::check_inputs([src, update])?;
    let Bounds {
        start,
        stop,
        strides,
    } = slice_bounds("slice_update", src, start, stop, strides)?;
    let n = start.len();
    build("slice_update", &[src, update], |out, s| {
        let (p, q, r) = (start.as_ptr(), stop.as_ptr(), strides.as_ptr());
        // SAFETY: the three lists have `n` entries; the inputs and the stream are valid.
        unsafe { sys::mlx_slice_update(out, src.as_raw(), update.as_raw(), p, n, q, n, r, n, s) }
    })
}

/// An error unless the indices are whole numbers.
pub(super) fn check_whole(op: &'static str, indices: &Array) -> Result<()> {
    let dtype = indices.dtype();
    if dtype.is_integer() {
        return Ok(());
    }
    let text = format!("expected integers as indices, found {dtype}");
    Err(Error::new(ErrorKind::Dtype, text)
        .with_op(op)
        .with_hint("convert the indices with `ops::astype`"))
}

/// Clamps `indices` to `-n..n`, where MLX would read or write memory beyond the array.
pub(crate) fn in_bounds(op: &'static str, indices: &Array, n: i32) -> Result<Array> {
    crate::array::check_inputs([indices])?;
    check_whole(op, indices)?;
    let dtype = indices.dtype();
    if n == 0 && indices.size() > 0 {
        return Err(Error::shape(op, "cannot index an axis of size 0"));
    }
    let last = Array::scalar_as(f64::from(n) - 1.0, dtype)?;
    let first = Array::scalar_as(-f64::from(n), dtype)?;
    super::clip(indices, dtype.is_signed().then_some(&first), Some(&last))
        .map_err(|e| e.with_op(op))
}

/// As [`in_bounds`], counted from the first: where MLX takes negative indices for large ones.
pub(crate) fn from_first(op: &'static str, indices: &Array, n: i32) -> Result<Array> {
    let indices = in_bounds(op, indices, n)?;
    if !indices.dtype().is_signed() {
        return Ok(indices);
    }
    let zero = Array::scalar_as(0.0, indices.dtype())?;
    let from_end = super::add(&indices, &Array::scalar_as(f64::from(n), indices.dtype())?)?;
    super::where_(&super::less(&indices, &zero)?, &from_end, &indices)
}

/// Two arrays and an axis.
/// The slices of `a` at `indices` along `axis`, `[.., n, ..], [idx..] -> [.., idx.., ..]`; `None`
/// takes elements of the flattened array. MLX: `take`.
///
/// Negative indices count from the end. One beyond the axis is clamped to it, where MLX itself
/// would read other memory.
///
/// # Errors
/// If the axis does not exist, or the indices are not integers.
pub fn take(a: &Array, indices: &Array, axis: impl Into<Option<i32>>) -> Result<Array> {
    crate::array::check_inputs([a, indices])?;
    const OP: &str = "take";
    let axis = axis.into();
    let n = match axis {
        None => i32::try_from(a.size()).unwrap_or(i32::MAX),
        Some(axis) => a.dim(axis).map_err(|e| e.renamed(OP))?,
    };
    let indices = &in_bounds(OP, indices, n)?;
    build(OP, &[a, indices], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            match axis {
                None => sys::mlx_take(out, a.as_raw(), indices.as_raw(), s),
                Some(axis) => sys::mlx_take_axis(out, a.as_raw(), indices.as_raw(), axis, s),
            }
        }
    })
}

macro_rules! along_axis {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Negative indices count from the end. One beyond the axis is clamped to it, where MLX
        /// itself would read other memory.
        ///
        /// # Errors
        /// If the axis does not exist, or the indices are not integers of a fitting shape.
        pub fn $name(a: &Array, indices: &Array, axis: i32) -> Result<Array> {
            crate::array::check_inputs([a, indices])?;
            let op = stringify!($name);
            let indices = &in_bounds(op, indices, a.dim(axis).map_err(|e| e.renamed(op))?)?;
            build(op, &[a, indices], |out, s| {
                // SAFETY: the inputs and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, a.as_raw(), indices.as_raw(), axis, s) }
            })
        }
    )*};
}

along_axis! {
    /// For each position the element at its index along `axis`,
    /// `[.., n, ..], [.., m, ..] -> [.., m, ..]`. MLX: `take_along_axis`.
    take_along_axis => mlx_take_along_axis;
}

macro_rules! put_along_axis {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// An index beyond the axis is clamped to it, see [`take`].
        ///
        /// # Errors
        /// If the axis does not exist, or the shapes do not fit together.
        pub fn $name(a: &Array, indices: &Array, values: &Array, axis: i32) -> Result<Array> {
            crate::array::check_inputs([a, indices, values])?;
            let op = stringify!($name);
            let indices = &in_bounds(op, indices, a.dim(axis).map_err(|e| e.renamed(op))?)?;
            build(op, &[a, indices, values], |out, s| {
                // SAFETY: the inputs and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, a.as_raw(), indices.as_raw(), values.as_raw(), axis, s) }
            })
        }
    )*};
}

put_along_axis! {
    /// `a` with the elements at `indices` along `axis` replaced by `values`.
    /// MLX: `put_along_axis`.
    put_along_axis => mlx_put_along_axis;
    /// `a` with `values` added to the elements at `indices` along `axis`.
    /// MLX: `scatter_add_axis`.
    scatter_add_axis => mlx_scatter_add_axis;
}
