//! Random arrays.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/random.toml`.

use mlx_sys as sys;

use crate::array::{build, optional};
use crate::random::Key;
use crate::{Array, Dtype, Result};

/// Random bits in unsigned integers of `width` bytes (1, 2, 4 or 8), `-> shape`.
/// MLX: `random.bits`.
///
/// # Errors
/// If a dimension is negative, or there is no such integer.
pub fn bits<'k>(shape: &[i32], width: i32, key: impl Into<Option<&'k Key>>) -> Result<Array> {
    const OP: &str = "bits";
    crate::ops::check_new_shape(OP, shape)?;
    crate::random::check_width(OP, width)?;

    let key = key.into();

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_bits(
                out,
                shape.as_ptr(),
                shape.len(),
                width,
                crate::random::raw(key),
                s,
            )
        }
    })
}

/// As [`crate::random::categorical`], drawn again for each element of `shape`, to which the other
/// axes of `logits` broadcast. MLX: `random.categorical` with a shape.
///
/// # Errors
/// If the axis does not exist, or the shapes do not fit together.
pub fn categorical_shape<'k>(
    logits: &Array,
    axis: i32,
    shape: &[i32],
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    const OP: &str = "categorical_shape";
    crate::array::check_inputs([logits])?;
    crate::ops::check_new_shape(OP, shape)?;

    let key = key.into();

    build(OP, &[logits], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_categorical_shape(
                out,
                logits.as_raw(),
                axis,
                shape.as_ptr(),
                shape.len(),
                crate::random::raw(key),
                s,
            )
        }
    })
}

/// As [`crate::random::categorical`], `num_samples` times, `[.., n, ..] -> [.., num_samples]`.
/// MLX: `random.categorical` with a number of samples.
///
/// # Errors
/// If the axis does not exist, or the number is negative.
pub fn categorical_num_samples<'k>(
    logits_: &Array,
    axis: i32,
    num_samples: i32,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    const OP: &str = "categorical_num_samples";
    crate::array::check_inputs([logits_])?;
    crate::ops::check_new_shape(OP, &[num_samples])?;

    let key = key.into();

    build(OP, &[logits_], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_categorical_num_samples(
                out,
                logits_.as_raw(),
                axis,
                num_samples,
                crate::random::raw(key),
                s,
            )
        }
    })
}

/// Distributed as the largest of many: the standard Gumbel distribution, `-> shape`.
/// MLX: `random.gumbel`.
///
/// # Errors
/// If a dimension is negative, or MLX refuses the dtype.
pub fn gumbel<'k>(shape: &[i32], dtype: Dtype, key: impl Into<Option<&'k Key>>) -> Result<Array> {
    const OP: &str = "gumbel";
    crate::ops::check_new_shape(OP, shape)?;

    let key = key.into();

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_gumbel(
                out,
                shape.as_ptr(),
                shape.len(),
                dtype.as_raw(),
                crate::random::raw(key),
                s,
            )
        }
    })
}

/// Laplace's distribution about `loc` with scale `scale`, `-> shape`. MLX: `random.laplace`.
///
/// # Errors
/// If a dimension is negative, or MLX refuses the dtype.
pub fn laplace<'k>(
    shape: &[i32],
    dtype: Dtype,
    loc: f32,
    scale: f32,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    const OP: &str = "laplace";
    crate::ops::check_new_shape(OP, shape)?;

    let key = key.into();

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_laplace(
                out,
                shape.as_ptr(),
                shape.len(),
                dtype.as_raw(),
                loc,
                scale,
                crate::random::raw(key),
                s,
            )
        }
    })
}

/// Jointly normal: `mean` `[.., n]`, `cov` `[.., n, n]` -> `[shape.., n]`. NaN if the covariance has an
/// element that is not finite. On the CPU only. MLX: `random.multivariate_normal`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn multivariate_normal<'k>(
    mean: &Array,
    cov: &Array,
    shape: &[i32],
    dtype: Dtype,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    const OP: &str = "multivariate_normal";
    crate::array::check_inputs([mean, cov])?;
    crate::ops::check_new_shape(OP, shape)?;
    // The decomposition does not end where an element is not finite.
    let (safe, finite) = crate::linalg::finite(OP, cov)?;
    let cov = &safe;

    let key = key.into();

    build(OP, &[mean, cov], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_multivariate_normal(
                out,
                mean.as_raw(),
                cov.as_raw(),
                shape.as_ptr(),
                shape.len(),
                dtype.as_raw(),
                crate::random::raw(key),
                s,
            )
        }
    })
    .and_then(|x| crate::linalg::or_nan(&crate::ops::squeeze(&finite, &[-1])?, &x))
}

/// As [`crate::random::normal`], mean and deviation being arrays that broadcast to `shape`.
/// MLX: `random.normal` with arrays.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtype.
pub fn normal_broadcast<'k>(
    shape: &[i32],
    dtype: Dtype,
    loc: Option<&Array>,
    scale: Option<&Array>,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    const OP: &str = "normal_broadcast";
    crate::array::check_inputs(loc.into_iter().chain(scale))?;
    crate::ops::check_new_shape(OP, shape)?;

    let key = key.into();

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_normal_broadcast(
                out,
                shape.as_ptr(),
                shape.len(),
                dtype.as_raw(),
                optional(loc),
                optional(scale),
                crate::random::raw(key),
                s,
            )
        }
    })
}

/// Normally distributed within `[lower, upper)`, which broadcast to `shape`.
/// MLX: `random.truncated_normal`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtype.
pub fn truncated_normal<'k>(
    lower: &Array,
    upper: &Array,
    shape: &[i32],
    dtype: Dtype,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    const OP: &str = "truncated_normal";
    crate::array::check_inputs([lower, upper])?;
    crate::ops::check_new_shape(OP, shape)?;

    let key = key.into();

    build(OP, &[lower, upper], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_random_truncated_normal(
                out,
                lower.as_raw(),
                upper.as_raw(),
                shape.as_ptr(),
                shape.len(),
                dtype.as_raw(),
                crate::random::raw(key),
                s,
            )
        }
    })
}
