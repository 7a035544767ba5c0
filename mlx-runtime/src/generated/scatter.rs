//! Slices read from and written to places that arrays say.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/scatter.toml`.

use mlx_sys as sys;

use crate::array::build;
use crate::handles::VectorArray;
use crate::ops::index::{slice_bounds, Bounds};
use crate::ops::starts::{
    single_start, start_of_slice, start_of_update, start_of_updates, starts_of_slices,
    starts_of_updates,
};
use crate::{Array, Result};

/// The slices of `slice_sizes` that begin at `indices`, one array for each of `axes`:
/// `[idx.., slice_sizes..]`. A slice that would leave the array is moved into it. MLX: `gather` of its
/// C++ API.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn gather(a: &Array, indices: &[&Array], axes: &[i32], slice_sizes: &[i32]) -> Result<Array> {
    const OP: &str = "gather";
    crate::array::check_inputs([a].into_iter().chain(indices.iter().copied()))?;
    let indices = &starts_of_slices(OP, a, indices, axes, slice_sizes)?;
    let indices = &indices.iter().collect::<Vec<_>>()[..];

    let indices_list = VectorArray::from_refs(OP, indices)?;

    build(OP, indices, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_gather(
                out,
                a.as_raw(),
                indices_list.as_raw(),
                axes.as_ptr(),
                axes.len(),
                slice_sizes.as_ptr(),
                slice_sizes.len(),
                s,
            )
        }
    })
}

/// [`gather`] along one axis.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn gather_single(a: &Array, indices: &Array, axis: i32, slice_sizes: &[i32]) -> Result<Array> {
    const OP: &str = "gather_single";
    crate::array::check_inputs([a, indices])?;
    let indices = &single_start(OP, a, indices, axis, slice_sizes)?;

    build(OP, &[a, indices], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_gather_single(
                out,
                a.as_raw(),
                indices.as_raw(),
                axis,
                slice_sizes.as_ptr(),
                slice_sizes.len(),
                s,
            )
        }
    })
}

/// `a` with the slices that begin at `indices`, one array for each of `axes`, replaced by
/// `updates`, `[idx.., slice..]`. A slice that would leave the array is moved into it. If two overlap,
/// it is unspecified which one stays. MLX: `scatter` of its C++ API.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter(a: &Array, indices: &[&Array], updates: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "scatter";
    crate::array::check_inputs([a, updates].into_iter().chain(indices.iter().copied()))?;
    let indices = &starts_of_updates(OP, a, indices, updates, axes)?;
    let indices = &indices.iter().collect::<Vec<_>>()[..];
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    let indices_list = VectorArray::from_refs(OP, indices)?;

    build(OP, indices, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter(
                out,
                a.as_raw(),
                indices_list.as_raw(),
                updates.as_raw(),
                axes.as_ptr(),
                axes.len(),
                s,
            )
        }
    })
}

/// [`scatter`] along one axis.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_single(a: &Array, indices: &Array, updates: &Array, axis: i32) -> Result<Array> {
    const OP: &str = "scatter_single";
    crate::array::check_inputs([a, indices, updates])?;
    let indices = &start_of_updates(OP, a, indices, updates, axis)?;
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    build(OP, &[a, indices, updates], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_single(out, a.as_raw(), indices.as_raw(), updates.as_raw(), axis, s)
        }
    })
}

/// As [`scatter`], adding to the old elements.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_add(a: &Array, indices: &[&Array], updates: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "scatter_add";
    crate::array::check_inputs([a, updates].into_iter().chain(indices.iter().copied()))?;
    let indices = &starts_of_updates(OP, a, indices, updates, axes)?;
    let indices = &indices.iter().collect::<Vec<_>>()[..];
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    let indices_list = VectorArray::from_refs(OP, indices)?;

    build(OP, indices, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_add(
                out,
                a.as_raw(),
                indices_list.as_raw(),
                updates.as_raw(),
                axes.as_ptr(),
                axes.len(),
                s,
            )
        }
    })
}

/// [`scatter_add`] along one axis.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_add_single(a: &Array, indices: &Array, updates: &Array, axis: i32) -> Result<Array> {
    const OP: &str = "scatter_add_single";
    crate::array::check_inputs([a, indices, updates])?;
    let indices = &start_of_updates(OP, a, indices, updates, axis)?;
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    build(OP, &[a, indices, updates], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_add_single(
                out,
                a.as_raw(),
                indices.as_raw(),
                updates.as_raw(),
                axis,
                s,
            )
        }
    })
}

/// As [`scatter`], keeping the larger elements.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_max(a: &Array, indices: &[&Array], updates: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "scatter_max";
    crate::array::check_inputs([a, updates].into_iter().chain(indices.iter().copied()))?;
    let indices = &starts_of_updates(OP, a, indices, updates, axes)?;
    let indices = &indices.iter().collect::<Vec<_>>()[..];
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    let indices_list = VectorArray::from_refs(OP, indices)?;

    build(OP, indices, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_max(
                out,
                a.as_raw(),
                indices_list.as_raw(),
                updates.as_raw(),
                axes.as_ptr(),
                axes.len(),
                s,
            )
        }
    })
}

/// [`scatter_max`] along one axis.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_max_single(a: &Array, indices: &Array, updates: &Array, axis: i32) -> Result<Array> {
    const OP: &str = "scatter_max_single";
    crate::array::check_inputs([a, indices, updates])?;
    let indices = &start_of_updates(OP, a, indices, updates, axis)?;
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    build(OP, &[a, indices, updates], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_max_single(
                out,
                a.as_raw(),
                indices.as_raw(),
                updates.as_raw(),
                axis,
                s,
            )
        }
    })
}

/// As [`scatter`], keeping the smaller elements.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_min(a: &Array, indices: &[&Array], updates: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "scatter_min";
    crate::array::check_inputs([a, updates].into_iter().chain(indices.iter().copied()))?;
    let indices = &starts_of_updates(OP, a, indices, updates, axes)?;
    let indices = &indices.iter().collect::<Vec<_>>()[..];
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    let indices_list = VectorArray::from_refs(OP, indices)?;

    build(OP, indices, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_min(
                out,
                a.as_raw(),
                indices_list.as_raw(),
                updates.as_raw(),
                axes.as_ptr(),
                axes.len(),
                s,
            )
        }
    })
}

/// [`scatter_min`] along one axis.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_min_single(a: &Array, indices: &Array, updates: &Array, axis: i32) -> Result<Array> {
    const OP: &str = "scatter_min_single";
    crate::array::check_inputs([a, indices, updates])?;
    let indices = &start_of_updates(OP, a, indices, updates, axis)?;
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    build(OP, &[a, indices, updates], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_min_single(
                out,
                a.as_raw(),
                indices.as_raw(),
                updates.as_raw(),
                axis,
                s,
            )
        }
    })
}

/// As [`scatter`], multiplying the old elements.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_prod(a: &Array, indices: &[&Array], updates: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "scatter_prod";
    crate::array::check_inputs([a, updates].into_iter().chain(indices.iter().copied()))?;
    let indices = &starts_of_updates(OP, a, indices, updates, axes)?;
    let indices = &indices.iter().collect::<Vec<_>>()[..];
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    let indices_list = VectorArray::from_refs(OP, indices)?;

    build(OP, indices, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_prod(
                out,
                a.as_raw(),
                indices_list.as_raw(),
                updates.as_raw(),
                axes.as_ptr(),
                axes.len(),
                s,
            )
        }
    })
}

/// [`scatter_prod`] along one axis.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn scatter_prod_single(
    a: &Array,
    indices: &Array,
    updates: &Array,
    axis: i32,
) -> Result<Array> {
    const OP: &str = "scatter_prod_single";
    crate::array::check_inputs([a, indices, updates])?;
    let indices = &start_of_updates(OP, a, indices, updates, axis)?;
    if updates.size() == 0 {
        return Ok(a.clone());
    }

    build(OP, &[a, indices, updates], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_scatter_prod_single(
                out,
                a.as_raw(),
                indices.as_raw(),
                updates.as_raw(),
                axis,
                s,
            )
        }
    })
}

/// The slice of `slice_size` (one entry for each axis) that begins at `start` (one number for each of
/// `axes`; 0 for the others). One that would leave the array is moved into it. MLX: `slice` with an
/// array.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn slice_dynamic(a: &Array, start: &Array, axes: &[i32], slice_size: &[i32]) -> Result<Array> {
    const OP: &str = "slice_dynamic";
    crate::array::check_inputs([a, start])?;
    let start = &start_of_slice(OP, a, start, axes, slice_size)?;

    build(OP, &[a, start], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_slice_dynamic(
                out,
                a.as_raw(),
                start.as_raw(),
                axes.as_ptr(),
                axes.len(),
                slice_size.as_ptr(),
                slice_size.len(),
                s,
            )
        }
    })
}

/// `src` with the slice that begins at `start` (one number for each of `axes`) replaced by `update`.
/// One that would leave the array is moved into it. MLX: `slice_update` with an array.
///
/// # Errors
/// If the shapes do not fit together, an axis does not exist, or the indices are not integers.
pub fn slice_update_dynamic(
    src: &Array,
    update: &Array,
    start: &Array,
    axes: &[i32],
) -> Result<Array> {
    const OP: &str = "slice_update_dynamic";
    crate::array::check_inputs([src, update, start])?;
    let start = &start_of_update(OP, src, start, axes, update)?;

    build(OP, &[src, update, start], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_slice_update_dynamic(
                out,
                src.as_raw(),
                update.as_raw(),
                start.as_raw(),
                axes.as_ptr(),
                axes.len(),
                s,
            )
        }
    })
}

/// `src` with `update` added to the slice. MLX: `src.at[..].add`.
///
/// # Errors
/// As [`crate::ops::slice()`], and if `update` does not broadcast to the slice.
pub fn slice_update_add(
    src: &Array,
    update: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
) -> Result<Array> {
    const OP: &str = "slice_update_add";
    crate::array::check_inputs([src, update])?;
    let Bounds {
        start,
        stop,
        strides,
    } = slice_bounds(OP, src, start, stop, strides)?;

    build(OP, &[src, update], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_slice_update_add(
                out,
                src.as_raw(),
                update.as_raw(),
                start.as_ptr(),
                start.len(),
                stop.as_ptr(),
                stop.len(),
                strides.as_ptr(),
                strides.len(),
                s,
            )
        }
    })
}

/// `src` with the larger of the slice's and `update`'s elements.
/// MLX: `src.at[..].maximum`.
///
/// # Errors
/// As [`crate::ops::slice()`], and if `update` does not broadcast to the slice.
pub fn slice_update_max(
    src: &Array,
    update: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
) -> Result<Array> {
    const OP: &str = "slice_update_max";
    crate::array::check_inputs([src, update])?;
    let Bounds {
        start,
        stop,
        strides,
    } = slice_bounds(OP, src, start, stop, strides)?;

    build(OP, &[src, update], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_slice_update_max(
                out,
                src.as_raw(),
                update.as_raw(),
                start.as_ptr(),
                start.len(),
                stop.as_ptr(),
                stop.len(),
                strides.as_ptr(),
                strides.len(),
                s,
            )
        }
    })
}

/// `src` with the smaller of the slice's and `update`'s elements.
/// MLX: `src.at[..].minimum`.
///
/// # Errors
/// As [`crate::ops::slice()`], and if `update` does not broadcast to the slice.
pub fn slice_update_min(
    src: &Array,
    update: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
) -> Result<Array> {
    const OP: &str = "slice_update_min";
    crate::array::check_inputs([src, update])?;
    let Bounds {
        start,
        stop,
        strides,
    } = slice_bounds(OP, src, start, stop, strides)?;

    build(OP, &[src, update], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_slice_update_min(
                out,
                src.as_raw(),
                update.as_raw(),
                start.as_ptr(),
                start.len(),
                stop.as_ptr(),
                stop.len(),
                strides.as_ptr(),
                strides.len(),
                s,
            )
        }
    })
}

/// `src` with the slice multiplied by `update`. MLX: `src.at[..].multiply`.
///
/// # Errors
/// As [`crate::ops::slice()`], and if `update` does not broadcast to the slice.
pub fn slice_update_prod(
    src: &Array,
    update: &Array,
    start: &[i32],
    stop: &[i32],
    strides: &[i32],
) -> Result<Array> {
    const OP: &str = "slice_update_prod";
    crate::array::check_inputs([src, update])?;
    let Bounds {
        start,
        stop,
        strides,
    } = slice_bounds(OP, src, start, stop, strides)?;

    build(OP, &[src, update], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_slice_update_prod(
                out,
                src.as_raw(),
                update.as_raw(),
                start.as_ptr(),
                start.len(),
                stop.as_ptr(),
                stop.len(),
                strides.as_ptr(),
                strides.len(),
                s,
            )
        }
    })
}
