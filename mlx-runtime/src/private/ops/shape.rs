//! Parts, joints and borders.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

use crate::{ops, Array, Error, Result};

/// A new axis of size 1.
pub fn expand_dims(a: &Array, axis: i32) -> Result<Array> {
    ops::expand_dims(a, &[axis])
}

/// An axis of size 1 goes.
pub fn squeeze(a: &Array, axis: i32) -> Result<Array> {
    ops::squeeze(a, &[axis])
}

/// How an axis is split.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// In this number of equal parts.
    Equal(i32),
    /// In parts of these sizes, which add up to the axis'.
    Sizes(&'a [i32]),
}

/// One axis in parts.
pub fn split(a: &Array, parts: Parts<'_>, axis: i32) -> Result<Vec<Array>> {
    let sizes = match parts {
        Parts::Equal(n) => return ops::split(a, n, axis),
        Parts::Sizes(sizes) => sizes,
    };
    let mut end = 0i32;
    let ends: Vec<i32> = sizes
        .iter()
        .map(|n| {
            end = end.saturating_add(*n);
            end
        })
        .collect();
    if end != a.dim(axis)? {
        let text = format!("parts {sizes:?} of axis {axis} of {:?}", a.shape());
        return Err(Error::shape("split", text));
    }
    ops::split_at(a, &ends[..ends.len().saturating_sub(1)], axis)
}

/// From `start` to before `stop` in steps along `axes` (all if empty); negative places count from
/// the end. Places outside of an axis are an error: they would change the result's shape.
pub fn slice(
    a: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
    axes: &[i32],
) -> Result<Array> {
    let every: Vec<i32> = (0..a.ndim() as i32).collect();
    let axes = if axes.is_empty() { &every } else { axes };
    let steps = |i: usize| match strides {
        [one] => Some(*one),
        all => all.get(i).copied(),
    };
    let sizes = a.shape().to_vec();
    let (mut from, mut to, mut by) = (vec![0; sizes.len()], sizes.clone(), vec![1; sizes.len()]);
    let bad = || {
        let text = format!("{start:?}..{stop:?} of axes {axes:?} of {sizes:?}");
        Error::shape("slice", text)
    };
    let one_each = |list: &[i32]| list.len() == axes.len();
    if !one_each(start) || !one_each(stop) || !(strides.len() == 1 || one_each(strides)) {
        return Err(bad());
    }
    for (i, axis) in axes.iter().enumerate() {
        let n = a.dim(*axis)?;
        let at = if *axis < 0 {
            *axis + sizes.len() as i32
        } else {
            *axis
        } as usize;
        let place = |p: i32| if p < 0 { p.saturating_add(n) } else { p };
        let (Some(x), Some(y), Some(step)) = (start.get(i), stop.get(i), steps(i)) else {
            return Err(bad());
        };
        let (x, y) = (place(*x), place(*y));
        if x < 0 || y < x || y > n || step < 1 {
            return Err(bad());
        }
        (from[at], to[at], by[at]) = (x, y, step);
    }
    ops::slice(a, &from, &to, &by)
}

/// A border of `value`: before and after, for each axis.
pub fn pad(a: &Array, widths: &[i32], value: f32) -> Result<Array> {
    let pairs: Vec<(i32, i32)> = widths.chunks_exact(2).map(|w| (w[0], w[1])).collect();
    ops::pad(a, &pairs, &Array::scalar_as(f64::from(value), a.dtype())?)
}
