//! Reading and writing parts of arrays.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Error, ErrorKind, Result};

/// Checks the three lists of a slice against the array.
pub(crate) fn check_slice(
    op: &'static str,
    a: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
) -> Result<()> {
    let entries = [start.len(), stop.len(), strides.len()];
    if entries != [a.ndim(); 3] {
        let [start, stop, strides] = entries;
        return Err(Error::shape(
            op,
            format!(
                "start, stop and strides have {start}, {stop} and {strides} entries for an array of shape {:?}",
                a.shape()
            ),
        ));
    }
    if strides.contains(&0) {
        return Err(Error::invalid(op, "a stride is zero"));
    }
    Ok(())
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
    check_slice("slice", a, start, stop, strides)?;
    let n = start.len();
    build("slice", &[a], |out, s| {
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
    })
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
    check_slice("slice_update", src, start, stop, strides)?;
    let n = start.len();
    build("slice_update", &[src, update], |out, s| {
        let (p, q, r) = (start.as_ptr(), stop.as_ptr(), strides.as_ptr());
        // SAFETY: the three lists have `n` entries; the inputs and the stream are valid.
        unsafe { sys::mlx_slice_update(out, src.as_raw(), update.as_raw(), p, n, q, n, r, n, s) }
    })
}

/// Clamps `indices` to `-n..n`, where MLX would read or write memory beyond the array.
pub(crate) fn in_bounds(op: &'static str, indices: &Array, n: i32) -> Result<Array> {
    let dtype = indices.dtype();
    if !dtype.is_integer() {
        let e = Error::new(
            ErrorKind::Dtype,
            format!("indices are {dtype}, not integers"),
        );
        return Err(e.with_op(op).with_hint("convert them with `ops::astype`"));
    }
    if n == 0 && indices.size() > 0 {
        return Err(Error::shape(op, "no index is valid for an axis of size 0"));
    }
    let last = Array::scalar_as(f64::from(n) - 1.0, dtype)?;
    let first = Array::scalar_as(-f64::from(n), dtype)?;
    super::clip(indices, dtype.is_signed().then_some(&first), Some(&last))
        .map_err(|e| e.with_op(op))
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
