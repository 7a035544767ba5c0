//! Shapes, joins and splits: no arithmetic.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use super::create::check_new_shape;
use crate::array::{build, build_many as many, ready};
use crate::handles::VectorArray;
use crate::{Array, Error, Result};

/// The elements in row-major order under another shape; one dimension may be -1. MLX: `reshape`.
///
/// # Errors
/// If the number of elements differs.
#[inline]
pub fn reshape(a: &Array, shape: &[i32]) -> Result<Array> {
    crate::array::check_inputs([a])?;
    if shape.iter().any(|&d| d < -1) {
        return Err(Error::shape(
            "reshape",
            format!("negative dimension in shape {shape:?}"),
        ));
    }
    build("reshape", &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_reshape(out, a.as_raw(), shape.as_ptr(), shape.len(), s) }
    })
    .map_err(|e| {
        e.with_hint(format!(
            "{:?} has {} elements, which the sizes of {shape:?} must give; one size may be -1",
            a.shape(),
            a.size()
        ))
    })
}

/// The axes in another order; reversed if `axes` is empty. MLX: `transpose`.
///
/// # Errors
/// If `axes` is not a permutation of all axes.
#[inline]
pub fn transpose(a: &Array, axes: &[i32]) -> Result<Array> {
    build("transpose", &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            if axes.is_empty() {
                sys::mlx_transpose(out, a.as_raw(), s)
            } else {
                sys::mlx_transpose_axes(out, a.as_raw(), axes.as_ptr(), axes.len(), s)
            }
        }
    })
}

macro_rules! axes {
    ($($(#[$doc:meta])* $name:ident => $c:ident, $one:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If an axis does not exist or is there twice.
        pub fn $name(a: &Array, axes: &[i32]) -> Result<Array> {
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the inputs and the stream are valid; `out` is a null destination.
                unsafe {
                    match axes {
                        [axis] => sys::$one(out, a.as_raw(), *axis, s),
                        _ => sys::$c(out, a.as_raw(), axes.as_ptr(), axes.len(), s),
                    }
                }
            })
        }
    )*};
}

axes! {
    /// New axes of size 1, which have the numbers `axes` in the result; none if it is empty.
    /// MLX: `expand_dims`.
    expand_dims => mlx_expand_dims_axes, mlx_expand_dims;
}

/// Without the `axes`, which must have size 1; without all such axes if it is empty.
/// MLX: `squeeze`.
///
/// # Errors
/// If an axis does not exist or has another size.
pub fn squeeze(a: &Array, axes: &[i32]) -> Result<Array> {
    build("squeeze", &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            match axes {
                [] => sys::mlx_squeeze(out, a.as_raw(), s),
                [axis] => sys::mlx_squeeze_axis(out, a.as_raw(), *axis, s),
                _ => sys::mlx_squeeze_axes(out, a.as_raw(), axes.as_ptr(), axes.len(), s),
            }
        }
    })
}

/// The elements in reverse order along `axes`, along all of them if it is empty. MLX: `flip`.
///
/// # Errors
/// If an axis does not exist or is there twice.
pub fn flip(a: &Array, axes: &[i32]) -> Result<Array> {
    crate::array::check_inputs([a])?;
    const OP: &str = "flip";
    for &axis in axes {
        a.dim(axis).map_err(|e| e.renamed(OP))?;
    }
    let kept: Vec<i32>;
    let axes = match a.shape().contains(&1) {
        false => axes,
        // MLX makes a slice with a step of -1 that loses its gradient where it has one element.
        true => {
            let ndim = a.ndim() as i32;
            let named = |i: i32| axes.is_empty() || axes.contains(&i) || axes.contains(&(i - ndim));
            kept = (0..ndim)
                .filter(|&i| named(i) && a.shape()[i as usize] != 1)
                .collect();
            if kept.is_empty() {
                return Ok(a.clone());
            }
            &kept
        }
    };
    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            match axes {
                [] => sys::mlx_flip(out, a.as_raw(), s),
                [axis] => sys::mlx_flip_axis(out, a.as_raw(), *axis, s),
                _ => sys::mlx_flip_axes(out, a.as_raw(), axes.as_ptr(), axes.len(), s),
            }
        }
    })
}

/// Two integers after the input.
macro_rules! two_ints {
    ($($(#[$doc:meta])* $name:ident($x:ident, $y:ident) => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If an axis does not exist.
        pub fn $name(a: &Array, $x: i32, $y: i32) -> Result<Array> {
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, a.as_raw(), $x, $y, s) }
            })
        }
    )*};
}

two_ints! {
    /// Two axes exchanged. MLX: `swapaxes`.
    swapaxes(axis1, axis2) => mlx_swapaxes;
    /// One axis moved to another place. MLX: `moveaxis`.
    moveaxis(source, destination) => mlx_moveaxis;
    /// The axes from `start_axis` to `end_axis`, both included, joined into one. MLX: `flatten`.
    flatten(start_axis, end_axis) => mlx_flatten;
}

/// Each element `repeats` times along `axis`, `[.., n, ..] -> [.., n * repeats, ..]`; `None`
/// flattens the array first. MLX: `repeat`.
///
/// # Errors
/// If the axis does not exist, or the number is negative.
pub fn repeat(a: &Array, repeats: i32, axis: impl Into<Option<i32>>) -> Result<Array> {
    let axis = axis.into();
    build("repeat", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe {
            match axis {
                None => sys::mlx_repeat(out, a.as_raw(), repeats, s),
                Some(axis) => sys::mlx_repeat_axis(out, a.as_raw(), repeats, axis, s),
            }
        }
    })
}

/// One axis split into `shape`; one of its dimensions may be -1. MLX: `unflatten`.
///
/// # Errors
/// If the axis does not exist, or the number of elements differs.
pub fn unflatten(a: &Array, axis: i32, shape: &[i32]) -> Result<Array> {
    crate::array::check_inputs([a])?;
    // MLX divides by the product of the others to find the one that is -1.
    if shape.iter().any(|&d| d < -1 || d == 0) && a.size() > 0
        || shape.contains(&-1) && shape.contains(&0)
    {
        return Err(Error::shape(
            "unflatten",
            format!("cannot split the axis into {shape:?}"),
        ));
    }
    build("unflatten", &[a], |out, s| {
        let (p, n) = (shape.as_ptr(), shape.len());
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_unflatten(out, a.as_raw(), axis, p, n, s) }
    })
}

/// A view of `shape` whose new and size-1 dimensions repeat the elements. MLX: `broadcast_to`.
///
/// # Errors
/// If `a` does not broadcast to `shape`.
pub fn broadcast_to(a: &Array, shape: &[i32]) -> Result<Array> {
    check_new_shape("broadcast_to", shape)?;
    build("broadcast_to", &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_broadcast_to(out, a.as_raw(), shape.as_ptr(), shape.len(), s) }
    })
}

/// The array `reps[i]` times along each axis. MLX: `tile`.
///
/// # Errors
/// If a count is negative.
pub fn tile(a: &Array, reps: &[i32]) -> Result<Array> {
    crate::array::check_inputs([a])?;
    if reps.iter().any(|&r| r < 0) {
        return Err(Error::invalid(
            "tile",
            format!(
                "negative count in {reps:?} for an array of shape {:?}",
                a.shape()
            ),
        ));
    }
    build("tile", &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_tile(out, a.as_raw(), reps.as_ptr(), reps.len(), s) }
    })
}

/// The elements moved by `shift` along `axis`, those that leave coming in again at the other
/// end. MLX: `roll`.
///
/// # Errors
/// If the axis does not exist.
pub fn roll(a: &Array, shift: i32, axis: i32) -> Result<Array> {
    let a = &forwards("roll", a)?;
    build("roll", &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_roll_axis(out, a.as_raw(), &shift, 1, axis, s) }
    })
}

/// The elements moved by `shift[i]` along `axes[i]`; with no axes, by the sum of `shift` in the
/// flattened array. MLX: `roll`.
///
/// # Errors
/// If an axis does not exist, or there are other than one shift for each axis.
pub fn roll_axes(a: &Array, shift: &[i32], axes: &[i32]) -> Result<Array> {
    let a = &forwards("roll_axes", a)?;
    build("roll_axes", &[a], |out, s| {
        let (p, n) = (shift.as_ptr(), shift.len());
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            match axes {
                [] => sys::mlx_roll(out, a.as_raw(), p, n, s),
                _ => sys::mlx_roll_axes(out, a.as_raw(), p, n, axes.as_ptr(), axes.len(), s),
            }
        }
    })
}

/// `value` added around the array: `pad_width` gives, for each axis, how many before and after.
/// MLX: `pad` with mode "constant".
///
/// The value has no gradient, because MLX would read beyond a list to compute it.
///
/// # Errors
/// If there is not one pair for each axis (at most 16), a width is negative, or `value` is not one
/// number.
pub fn pad(a: &Array, pad_width: &[(i32, i32)], value: &Array) -> Result<Array> {
    crate::array::check_inputs([a])?;
    const MAX: usize = 16;
    const AXES: [i32; MAX] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let n = pad_width.len();
    if n != a.ndim() || n > MAX {
        return Err(Error::shape(
            "pad",
            format!(
                "expected one width for each axis of shape {:?}, found {n}",
                a.shape()
            ),
        ));
    }
    if pad_width.iter().any(|&(low, high)| low < 0 || high < 0) {
        return Err(Error::invalid(
            "pad",
            format!("negative width in {pad_width:?}"),
        ));
    }
    // MLX only asserts this, and its release build reads whatever is there.
    if value.size() != 1 {
        return Err(Error::shape(
            "pad",
            format!(
                "expected a scalar as value, found shape {:?}",
                value.shape()
            ),
        ));
    }
    let value = &super::stop_gradient(value)?;
    let (mut low, mut high) = ([0; MAX], [0; MAX]);
    for (i, &(l, h)) in pad_width.iter().enumerate() {
        (low[i], high[i]) = (l, h);
    }
    build("pad", &[a, value], |out, s| {
        // SAFETY: the three lists have `n` entries; the other inputs are valid.
        unsafe {
            sys::mlx_pad(
                out,
                a.as_raw(),
                AXES.as_ptr(),
                n,
                low.as_ptr(),
                n,
                high.as_ptr(),
                n,
                value.as_raw(),
                c"constant".as_ptr(),
                s,
            )
        }
    })
}

/// A view of the elements in row-major order: element `[i, j, ..]` is number
/// `offset + i * strides[0] + j * strides[1] + ..` of them. Elements may come more than once.
/// MLX: `as_strided`.
///
/// # Errors
/// If there is not one stride of 0 or more for each size, or the view leaves the array.
pub fn as_strided(a: &Array, shape: &[i32], strides: &[i64], offset: usize) -> Result<Array> {
    crate::array::check_inputs([a])?;
    super::same_lengths(
        "as_strided",
        &[("shape", shape.len()), ("strides", strides.len())],
    )?;
    check_new_shape("as_strided", shape)?;
    // MLX does not look whether the last element is inside.
    let mut steps = shape.iter().zip(strides);
    let last = steps.try_fold(offset, |last, (n, s)| {
        let n = usize::try_from((*n - 1).max(0)).ok()?;
        n.checked_mul(usize::try_from(*s).ok()?)?.checked_add(last)
    });
    let empty = shape.contains(&0) && strides.iter().all(|s| *s >= 0);
    if !empty && last.is_none_or(|last| last >= a.size()) {
        return Err(Error::shape(
            "as_strided",
            format!(
                "shape {shape:?} with strides {strides:?} from {offset} reads beyond an array of shape {:?}",
                a.shape()
            ),
        ));
    }
    build("as_strided", &[a], |out, s| {
        let (p, n) = (shape.as_ptr(), shape.len());
        let (q, m) = (strides.as_ptr(), strides.len());
        // SAFETY: both lists have their lengths, the view stays inside of the array; the input and
        // the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_as_strided(out, a.as_raw(), p, n, q, m, offset, s) }
    })
}

/// The elements in row-major memory, copied only if they are not; `allow_col_major` is content
/// with column-major, too. MLX: `contiguous`.
///
/// # Errors
/// If MLX cannot.
pub fn contiguous(a: &Array, allow_col_major: bool) -> Result<Array> {
    build("contiguous", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_contiguous(out, a.as_raw(), allow_col_major, s) }
    })
}

macro_rules! join {
    ($($(#[$doc:meta])* $name:ident => $c:ident, $none:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If there are no arrays, or their shapes do not fit together.
        pub fn $name(arrays: &[&Array], axis: impl Into<Option<i32>>) -> Result<Array> {
            ready();
            let axis = axis.into();
            let list = VectorArray::from_refs(stringify!($name), arrays)?;
            build(stringify!($name), arrays, |out, s| {
                // SAFETY: the list and the stream are valid; `out` is a null destination.
                unsafe {
                    match axis {
                        None => sys::$none(out, list.as_raw(), s),
                        Some(axis) => sys::$c(out, list.as_raw(), axis, s),
                    }
                }
            })
        }
    )*};
}

join! {
    /// The arrays one after the other along `axis`; `None` flattens each first. MLX: `concatenate`.
    concatenate => mlx_concatenate_axis, mlx_concatenate;
    /// The arrays, all of one shape, along a new `axis`, the first if `None`. MLX: `stack`.
    stack => mlx_stack_axis, mlx_stack;
}

unary_ops! {
    /// With at least one axis. MLX: `atleast_1d`.
    atleast_1d => mlx_atleast_1d;
    /// With at least two axes. MLX: `atleast_2d`.
    atleast_2d => mlx_atleast_2d;
    /// With at least three axes. MLX: `atleast_3d`.
    atleast_3d => mlx_atleast_3d;
}

/// `[n]` on the `k`-th diagonal of `[n + |k|, n + |k|]`, or the `k`-th diagonal of a matrix.
/// MLX: `diag`.
///
/// # Errors
/// If `a` has another number of dimensions, or the diagonal is outside.
pub fn diag(a: &Array, k: i32) -> Result<Array> {
    crate::array::check_inputs([a])?;
    // MLX adds |k| to the size.
    if k.unsigned_abs() > 1 << 20 {
        return Err(Error::shape(
            "diag",
            format!("diagonal {k} is out of range for {:?}", a.shape()),
        ));
    }
    build("diag", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_diag(out, a.as_raw(), k, s) }
    })
}

/// The arrays, broadcast to their common shape. MLX: `broadcast_arrays`.
///
/// # Errors
/// If their shapes do not fit together.
pub fn broadcast_arrays(arrays: &[&Array]) -> Result<Vec<Array>> {
    let list = VectorArray::from_refs("broadcast_arrays", arrays)?;
    many("broadcast_arrays", arrays, |out, s| {
        // SAFETY: the list and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_broadcast_arrays(out, list.as_raw(), s) }
    })
}

/// The slices along `axis`, without it. MLX: `unstack`.
///
/// # Errors
/// If the axis does not exist.
pub fn unstack(a: &Array, axis: i32) -> Result<Vec<Array>> {
    crate::array::check_inputs([a])?;
    a.dim(axis).map_err(|e| e.renamed("unstack"))?;
    let a = &forwards("unstack", a)?;
    many("unstack", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe {
            match axis {
                0 => sys::mlx_unstack(out, a.as_raw(), s),
                _ => sys::mlx_unstack_axis(out, a.as_raw(), axis, s),
            }
        }
    })
}

/// The array, or a contiguous copy where a stride can be negative: MLX's `split`, and what calls it, reads
/// outside of the buffer then.
pub(crate) fn forwards(op: &'static str, a: &Array) -> Result<Array> {
    let _reading = crate::lock::reading();
    build(op, &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination; no other thread changes the
        // graph that is read.
        unsafe { sys::mlxrs_forwards(out, a.as_raw(), s) }
    })
}

/// `num_splits` parts of equal size along `axis`. MLX: `split`.
///
/// # Errors
/// If the axis does not exist or cannot be split so.
pub fn split(a: &Array, num_splits: i32, axis: i32) -> Result<Vec<Array>> {
    crate::array::check_inputs([a])?;
    if num_splits < 1 {
        return Err(Error::invalid(
            "split",
            format!("expected 1 part or more, found {num_splits}"),
        ));
    }
    let a = &forwards("split", a)?;
    many("split", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_split(out, a.as_raw(), num_splits, axis, s) }
    })
}

/// Parts along `axis` that begin at 0 and at each of `indices`. MLX: `split`.
///
/// # Errors
/// If the axis does not exist, or the indices do not ascend within it.
pub fn split_at(a: &Array, indices: &[i32], axis: i32) -> Result<Vec<Array>> {
    crate::array::check_inputs([a])?;
    let n = a.dim(axis).map_err(|e| e.renamed("split_at"))?;
    let ends = indices.iter().copied().chain([n]);
    if [0]
        .into_iter()
        .chain(indices.iter().copied())
        .zip(ends)
        .any(|(i, j)| i > j)
    {
        return Err(Error::shape(
            "split_at",
            format!("expected ascending indices from 0 to {n}, found {indices:?}"),
        ));
    }
    let a = &forwards("split_at", a)?;
    many("split_at", &[a], |out, s| {
        let (p, n) = (indices.as_ptr(), indices.len());
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_split_sections(out, a.as_raw(), p, n, axis, s) }
    })
}
