//! Operations.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/ops.toml`.

use mlx_sys as sys;

use crate::array::{build, build_many, optional};
use crate::handles::VectorArray;
use crate::ops::{Indexing, PadMode, Side};
use crate::{Array, Dtype, Result};

/// The Bartlett window, float32 `[m]`; empty if `m` is less than 1. MLX: `bartlett`.
///
/// # Errors
/// If `m` is too large.
pub fn bartlett(m: i32) -> Result<Array> {
    const OP: &str = "bartlett";
    crate::ops::check_new_shape(OP, &[m.max(0)])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_bartlett(out, m, s) }
    })
}

/// The Blackman window, float32 `[m]`; empty if `m` is less than 1. MLX: `blackman`.
///
/// # Errors
/// If `m` is too large.
pub fn blackman(m: i32) -> Result<Array> {
    const OP: &str = "blackman";
    crate::ops::check_new_shape(OP, &[m.max(0)])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_blackman(out, m, s) }
    })
}

/// The Hamming window, float32 `[m]`; empty if `m` is less than 1. MLX: `hamming`.
///
/// # Errors
/// If `m` is too large.
pub fn hamming(m: i32) -> Result<Array> {
    const OP: &str = "hamming";
    crate::ops::check_new_shape(OP, &[m.max(0)])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_hamming(out, m, s) }
    })
}

/// The Hann window, float32 `[m]`; empty if `m` is less than 1. MLX: `hanning`.
///
/// # Errors
/// If `m` is too large.
pub fn hanning(m: i32) -> Result<Array> {
    const OP: &str = "hanning";
    crate::ops::check_new_shape(OP, &[m.max(0)])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_hanning(out, m, s) }
    })
}

/// [`crate::ops::matmul`] in blocks of `block_size` (32 or 64), each of which the masks (one element
/// for each block of the result and of both inputs) leave out or scale. MLX: `block_masked_mm`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn block_masked_mm(
    a: &Array,
    b: &Array,
    block_size: i32,
    mask_out: Option<&Array>,
    mask_lhs: Option<&Array>,
    mask_rhs: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "block_masked_mm";
    crate::array::check_inputs(
        [a, b]
            .into_iter()
            .chain(mask_out)
            .chain(mask_lhs)
            .chain(mask_rhs),
    )?;

    build(OP, &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_block_masked_mm(
                out,
                a.as_raw(),
                b.as_raw(),
                block_size,
                optional(mask_out),
                optional(mask_lhs),
                optional(mask_rhs),
                s,
            )
        }
    })
}

/// The diagonals `offset` above the main one of the matrices along two axes, as the last axis.
/// MLX: `diagonal`.
///
/// # Errors
/// If an axis does not exist, or both are the same.
pub fn diagonal(a: &Array, offset: i32, axis1: i32, axis2: i32) -> Result<Array> {
    const OP: &str = "diagonal";
    crate::array::check_inputs([a])?;
    let size = a.shape().iter().copied().max().unwrap_or(0);
    let offset = offset.clamp(-size, size);

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_diagonal(out, a.as_raw(), offset, axis1, axis2, s) }
    })
}

/// The differences between neighbours along `axis`, taken `n` times,
/// `[.., m, ..] -> [.., m - n, ..]`. MLX: `diff`.
///
/// # Errors
/// If the axis does not exist, or `n` is negative or more than the axis has elements.
pub fn diff(a: &Array, n: i32, axis: i32) -> Result<Array> {
    const OP: &str = "diff";
    crate::array::check_inputs([a])?;
    crate::ops::check_diff(OP, a, n, axis)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_diff(out, a.as_raw(), n, axis, s) }
    })
}

/// Eight-bit floats (e4m3, as uint8) in another type, `[..] -> [..]`. MLX: `from_fp8`.
///
/// # Errors
/// If the input is not uint8, or the dtype not a floating-point one.
pub fn from_fp8(x: &Array, dtype: Dtype) -> Result<Array> {
    const OP: &str = "from_fp8";

    build(OP, &[x], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_from_fp8(out, x.as_raw(), dtype.as_raw(), s) }
    })
}

/// The nearest eight-bit floats (e4m3, as uint8), `[..] -> [..]`. MLX: `to_fp8`.
///
/// # Errors
/// If the input is not floating point.
pub fn to_fp8(x: &Array) -> Result<Array> {
    const OP: &str = "to_fp8";
    crate::array::check_inputs([x])?;
    // MLX reads other elements of a strided array.
    let x = &crate::ops::contiguous(x, false)?;

    build(OP, &[x], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_to_fp8(out, x.as_raw(), s) }
    })
}

/// `vals`, which broadcasts, in the shape of `a` as `dtype`. MLX: `full_like`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn full_like(a: &Array, vals: &Array, dtype: Dtype) -> Result<Array> {
    const OP: &str = "full_like";
    crate::array::check_inputs([a, vals])?;
    if crate::transforms::is_differentiating() {
        return crate::ops::full(a.shape(), vals, dtype);
    }

    build(OP, &[a, vals], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_full_like(out, a.as_raw(), vals.as_raw(), dtype.as_raw(), s) }
    })
}

/// The Walsh-Hadamard transform of the last axis times `scale` (1 / sqrt(n) if `None`),
/// `[.., n] -> [.., n]`. `n` is `m * 2^k` with `m` of 1, 12, 20 or 28. MLX: `hadamard_transform`.
///
/// # Errors
/// If the size is another one, or the dtype not a floating-point one.
pub fn hadamard_transform(a: &Array, scale: Option<f32>) -> Result<Array> {
    const OP: &str = "hadamard_transform";
    crate::array::check_inputs([a])?;
    crate::ops::check_hadamard(OP, a)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_hadamard_transform(out, a.as_raw(), crate::ops::optional_float(scale), s)
        }
    })
}

/// Ones on the diagonal, zeros elsewhere, `-> [n, n]`. MLX: `identity`.
///
/// # Errors
/// If `n` is negative.
pub fn identity(n: i32, dtype: Dtype) -> Result<Array> {
    const OP: &str = "identity";
    crate::ops::check_new_shape(OP, &[n, n])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_identity(out, n, dtype.as_raw(), s) }
    })
}

/// As [`crate::ops::linspace`], of which `stop` is part only if `endpoint`, `-> [num]`.
/// MLX: `linspace` with `endpoint`.
///
/// # Errors
/// If `num` is negative.
pub fn linspace_endpoint(
    start: f64,
    stop: f64,
    num: i32,
    endpoint: bool,
    dtype: Dtype,
) -> Result<Array> {
    const OP: &str = "linspace_endpoint";
    crate::ops::check_new_shape(OP, &[num])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linspace_endpoint(out, start, stop, num, endpoint, dtype.as_raw(), s) }
    })
}

/// `a` with the elements that `mask` selects replaced by the elements of `src`, in order; `mask` has
/// the shape of the leading axes. MLX: `a[mask] = src`.
///
/// # Errors
/// If the shapes do not fit together; when evaluated, if `src` has too few elements.
pub fn masked_scatter(a: &Array, mask: &Array, src: &Array) -> Result<Array> {
    const OP: &str = "masked_scatter";
    crate::array::check_inputs([a, mask, src])?;
    if a.size() == 0 || mask.size() == 0 {
        return Ok(a.clone());
    }
    crate::linalg::check_some(OP, src)?;

    build(OP, &[a, mask, src], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_masked_scatter(out, a.as_raw(), mask.as_raw(), src.as_raw(), s) }
    })
}

/// The coordinates of a grid from those along each axis; `sparse` leaves the axes of size 1 that
/// broadcasting would fill. MLX: `meshgrid`.
///
/// # Errors
/// If an array has more than one axis.
pub fn meshgrid(arrays: &[&Array], sparse: bool, indexing: Indexing) -> Result<Vec<Array>> {
    const OP: &str = "meshgrid";
    crate::array::check_inputs(arrays.iter().copied())?;
    crate::ops::check_some(OP, arrays)?;
    let arrays_list = VectorArray::from_refs(OP, arrays)?;

    build_many(OP, arrays, |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_meshgrid(
                out,
                arrays_list.as_raw(),
                sparse,
                indexing.as_c().as_ptr(),
                s,
            )
        }
    })
}

/// The number of elements along `axes`, or 1 over it if `inverted`, as a scalar. In a function
/// recorded for any shape, each call has its own number. MLX: `number_of_elements`.
///
/// # Errors
/// If an axis does not exist.
pub fn number_of_elements(a: &Array, axes: &[i32], inverted: bool, dtype: Dtype) -> Result<Array> {
    const OP: &str = "number_of_elements";
    crate::array::check_inputs([a])?;
    crate::ops::check_axes(OP, a, axes)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_number_of_elements(
                out,
                a.as_raw(),
                axes.as_ptr(),
                axes.len(),
                inverted,
                dtype.as_raw(),
                s,
            )
        }
    })
}

/// Ones of the shape of `a` as `dtype`. MLX: `ones_like` with a dtype.
///
/// # Errors
/// If memory is exhausted.
pub fn ones_like_dtype(a: &Array, dtype: Dtype) -> Result<Array> {
    const OP: &str = "ones_like_dtype";

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_ones_like_dtype(out, a.as_raw(), dtype.as_raw(), s) }
    })
}

/// Zeros of the shape of `a` as `dtype`. MLX: `zeros_like` with a dtype.
///
/// # Errors
/// If memory is exhausted.
pub fn zeros_like_dtype(a: &Array, dtype: Dtype) -> Result<Array> {
    const OP: &str = "zeros_like_dtype";

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_zeros_like_dtype(out, a.as_raw(), dtype.as_raw(), s) }
    })
}

/// `pad_width` elements added on every side: `pad_value`, or the nearest element. MLX: `pad` with
/// one number. The value has no gradient, see [`crate::ops::pad`].
///
/// # Errors
/// If the width is negative, or the value not one number.
pub fn pad_symmetric(a: &Array, pad_width: i32, pad_value: &Array, mode: PadMode) -> Result<Array> {
    const OP: &str = "pad_symmetric";
    crate::array::check_inputs([a, pad_value])?;
    crate::ops::check_pad(OP, a, pad_width, pad_value)?;
    let pad_value = &crate::ops::stop_gradient(pad_value)?;

    build(OP, &[a, pad_value], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_pad_symmetric(
                out,
                a.as_raw(),
                pad_width,
                pad_value.as_raw(),
                mode.as_c().as_ptr(),
                s,
            )
        }
    })
}

/// The elements as they are, `[..] -> [..]`. MLX: `positive`.
///
/// # Errors
/// If memory is exhausted.
pub fn positive(a: &Array) -> Result<Array> {
    const OP: &str = "positive";

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_positive(out, a.as_raw(), s) }
    })
}

/// Index at which each of `values` would go into the sorted sequence (its last axis), before or after
/// equal ones, as uint32. MLX: `searchsorted`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn searchsorted(sorted_sequence: &Array, values: &Array, side: Side) -> Result<Array> {
    const OP: &str = "searchsorted";

    build(OP, &[sorted_sequence, values], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_searchsorted(
                out,
                sorted_sequence.as_raw(),
                values.as_raw(),
                side.as_c().as_ptr(),
                s,
            )
        }
    })
}

/// `a[:, from..to] @ b[from..to, :]` for each pair in `segments`,
/// `[m, k], [k, n], [.., 2] -> [.., m, n]`; pairs beyond `k` are cut. MLX: `segmented_mm`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn segmented_mm(a: &Array, b: &Array, segments: &Array) -> Result<Array> {
    const OP: &str = "segmented_mm";
    crate::array::check_inputs([a, b, segments])?;
    let segments = &crate::ops::within(OP, segments, a.dim(-1).map_err(|e| e.renamed(OP))?)?;
    crate::ops::check_inner(OP, a, b)?;
    if segments.size() == 0 {
        let shape = [
            &segments.shape()[..segments.ndim().saturating_sub(1)],
            &[a.shape()[0], b.shape()[1]],
        ]
        .concat();
        return crate::ops::zeros(&shape, a.dtype());
    }

    build(OP, &[a, b, segments], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_segmented_mm(out, a.as_raw(), b.as_raw(), segments.as_raw(), s) }
    })
}

/// The sum of the main diagonal of the first two axes, `[n, m, ..] -> [..]`. MLX: `trace`.
///
/// # Errors
/// If there are fewer than two axes.
pub fn trace(a: &Array) -> Result<Array> {
    const OP: &str = "trace";
    crate::array::check_inputs([a])?;
    if let Some(nothing) = crate::ops::empty_trace(OP, a, 0, [0, 1], a.dtype())? {
        return Ok(nothing);
    }

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_trace(out, a.as_raw(), s) }
    })
}

/// The sum of the diagonals `offset` above the main one of the matrices along two axes, as `dtype`.
/// MLX: `trace`.
///
/// # Errors
/// If an axis does not exist, or both are the same.
pub fn trace_axes(a: &Array, offset: i32, axis1: i32, axis2: i32, dtype: Dtype) -> Result<Array> {
    const OP: &str = "trace_axes";
    crate::array::check_inputs([a])?;
    let size = a.shape().iter().copied().max().unwrap_or(0);
    let offset = offset.clamp(-size, size);
    if let Some(nothing) = crate::ops::empty_trace(OP, a, offset, [axis1, axis2], dtype)? {
        return Ok(nothing);
    }

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_trace_axes(out, a.as_raw(), offset, axis1, axis2, dtype.as_raw(), s) }
    })
}

/// The sum of products over the last `axis` axes of `a` and the first of `b`. MLX: `tensordot` with a
/// number.
///
/// # Errors
/// If there are not as many axes, or they differ in size.
pub fn tensordot_axis(a: &Array, b: &Array, axis: i32) -> Result<Array> {
    const OP: &str = "tensordot_axis";
    crate::array::check_inputs([a, b])?;
    crate::ops::check_count(OP, axis, a, b)?;

    build(OP, &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_tensordot_axis(out, a.as_raw(), b.as_raw(), axis, s) }
    })
}
