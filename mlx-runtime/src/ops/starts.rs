//! Where slices begin that arrays place: moved into the array, since MLX reads and writes
//! whatever memory is there.
//!
//! Tests: `tests/operations`.

use crate::{Array, Dtype, Error, ErrorKind, Result};

/// Beginnings along an axis of `n` for slices of `size`; negative ones count from the end.
fn inside(op: &'static str, starts: &Array, n: i32, size: i32) -> Result<Array> {
    super::index::check_whole(op, starts)?;
    // One that int32 cannot hold becomes some other number, which is moved like any other.
    let starts = super::astype(starts, Dtype::Int32)?;
    let zero = Array::scalar(0i32)?;
    let from_end = super::add(&starts, &Array::scalar(n)?)?;
    let starts = super::where_(&super::less(&starts, &zero)?, &from_end, &starts)?;
    super::clip(&starts, Some(&zero), Some(&Array::scalar(n - size)?))
}

/// The size of an axis, and that a slice of `size` fits in it.
fn fits(op: &'static str, a: &Array, axis: i32, size: i32) -> Result<i32> {
    let n = usize::try_from(axis)
        .ok()
        .and_then(|i| a.shape().get(i).copied());
    match n {
        Some(n) if (0..=n).contains(&size) => Ok(n),
        Some(n) => Err(Error::shape(
            op,
            format!(
                "expected a slice of 0 to {n} elements for shape {:?}, found {size}",
                a.shape()
            ),
        )),
        None => Err(Error::shape(
            op,
            format!("axis {axis} is out of range for shape {:?}", a.shape()),
        )),
    }
}

/// The beginnings for each of `axes`, for slices of `sizes` (one for each axis of `a`).
pub(crate) fn starts_of_slices(
    op: &'static str,
    a: &Array,
    indices: &[&Array],
    axes: &[i32],
    sizes: &[i32],
) -> Result<Vec<Array>> {
    crate::array::check_inputs(indices.iter().copied().chain([a]))?;
    if indices.len() != axes.len() || indices.is_empty() || sizes.len() != a.ndim() {
        return Err(Error::shape(
            op,
            format!(
                "expected one index array for each of the axes {axes:?} and one size for each axis of shape {1:?}, found {0} and {sizes:?}",
                indices.len(),
                a.shape()
            ),
        ));
    }
    for (axis, &size) in sizes.iter().enumerate() {
        fits(op, a, axis as i32, size)?;
    }
    let pairs = indices.iter().zip(axes);
    pairs
        .map(|(starts, &axis)| {
            let size = usize::try_from(axis)
                .ok()
                .and_then(|i| sizes.get(i).copied());
            let n = fits(op, a, axis, size.unwrap_or(0))?;
            inside(op, starts, n, size.unwrap_or(0))
        })
        .collect()
}

/// As [`starts_of_slices`], along one axis.
pub(crate) fn single_start(
    op: &'static str,
    a: &Array,
    indices: &Array,
    axis: i32,
    sizes: &[i32],
) -> Result<Array> {
    let mut all = starts_of_slices(op, a, &[indices], &[axis], sizes)?;
    all.pop()
        .ok_or_else(|| Error::shape(op, "expected one index array or more, found none"))
}

/// As [`starts_of_slices`], for slices of the shape of `updates`' last axes.
pub(crate) fn starts_of_updates(
    op: &'static str,
    a: &Array,
    indices: &[&Array],
    updates: &Array,
    axes: &[i32],
) -> Result<Vec<Array>> {
    crate::array::check_inputs(indices.iter().copied().chain([a, updates]))?;
    let shape = updates.shape();
    let Some(leading) = shape.len().checked_sub(a.ndim()) else {
        return Err(Error::shape(
            op,
            format!(
                "expected updates with at least as many axes as shape {:?}, found shape {shape:?}",
                a.shape()
            ),
        ));
    };
    starts_of_slices(op, a, indices, axes, &shape[leading..])
}

/// As [`starts_of_updates`], along one axis.
pub(crate) fn start_of_updates(
    op: &'static str,
    a: &Array,
    indices: &Array,
    updates: &Array,
    axis: i32,
) -> Result<Array> {
    let mut all = starts_of_updates(op, a, &[indices], updates, &[axis])?;
    all.pop()
        .ok_or_else(|| Error::shape(op, "expected one index array or more, found none"))
}

/// One beginning for each of `axes`, in one array.
pub(crate) fn start_of_slice(
    op: &'static str,
    a: &Array,
    start: &Array,
    axes: &[i32],
    sizes: &[i32],
) -> Result<Array> {
    crate::array::check_inputs([a, start])?;
    if start.size() != axes.len() || start.ndim() > 1 || sizes.len() != a.ndim() {
        return Err(Error::shape(
            op,
            format!(
                "expected one start for each of the axes {axes:?} and one size for each axis of shape {1:?}, found {0} and {sizes:?}",
                start.size(),
                a.shape()
            ),
        ));
    }
    for (axis, &size) in sizes.iter().enumerate() {
        fits(op, a, axis as i32, size)?;
    }
    if !start.dtype().is_integer() {
        let e = Error::new(
            ErrorKind::Dtype,
            format!("expected integers as indices, found {}", start.dtype()),
        );
        return Err(e
            .with_op(op)
            .with_hint("convert the indices with `ops::astype`"));
    }
    let mut last = Vec::with_capacity(axes.len());
    let mut whole = Vec::with_capacity(axes.len());
    for &axis in axes {
        let n = a.dim(axis).map_err(|e| e.renamed(op))?;
        let index = if axis < 0 {
            axis + a.ndim() as i32
        } else {
            axis
        };
        let size = usize::try_from(index)
            .ok()
            .and_then(|i| sizes.get(i).copied());
        last.push(n - size.unwrap_or(0));
        whole.push(n);
    }
    let list = |values: &[i32]| Array::from_slice(values, start.shape());
    let start = super::astype(start, Dtype::Int32)?;
    let zero = Array::scalar(0i32)?;
    let from_end = super::add(&start, &list(&whole)?)?;
    let moved = super::where_(&super::less(&start, &zero)?, &from_end, &start)?;
    super::clip(&moved, Some(&zero), Some(&list(&last)?))
}

/// As [`start_of_slice`], for a slice of the shape of `update`.
pub(crate) fn start_of_update(
    op: &'static str,
    src: &Array,
    start: &Array,
    axes: &[i32],
    update: &Array,
) -> Result<Array> {
    crate::array::check_inputs([src, start, update])?;
    start_of_slice(op, src, start, axes, update.shape())
}
