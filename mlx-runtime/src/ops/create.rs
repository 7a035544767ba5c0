//! Arrays from nothing, and triangles.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Dtype, Error, Result};

/// MLX computes the size of a shape without looking for negative dimensions or overflow.
pub(crate) fn check_new_shape(op: &'static str, shape: &[i32]) -> Result<()> {
    let mut size = 1usize;
    for &d in shape {
        size = match usize::try_from(d) {
            Err(_) => {
                return Err(Error::shape(
                    op,
                    format!("negative dimension in shape {shape:?}"),
                ))
            }
            Ok(d) => size.saturating_mul(d),
        };
    }
    // A tebi-element is beyond every machine, and its bytes still fit in a usize.
    if size > 1 << 40 {
        return Err(Error::shape(op, format!("shape {shape:?} is too large")));
    }
    Ok(())
}

macro_rules! filled {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If a dimension is negative or the shape too large.
        pub fn $name(shape: &[i32], dtype: Dtype) -> Result<Array> {
            check_new_shape(stringify!($name), shape)?;
            build(stringify!($name), &[], |out, s| {
                // SAFETY: the shape and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, shape.as_ptr(), shape.len(), dtype.as_raw(), s) }
            })
        }
    )*};
}

filled! {
    /// Zeros, `-> shape`. MLX: `zeros`.
    zeros => mlx_zeros;
    /// Ones, `-> shape`. MLX: `ones`.
    ones => mlx_ones;
}

unary_ops! {
    /// Zeros of the shape and dtype of `a`. MLX: `zeros_like`.
    zeros_like => mlx_zeros_like;
    /// Ones of the shape and dtype of `a`. MLX: `ones_like`.
    ones_like => mlx_ones_like;
}

/// `vals`, which broadcasts, converted to `dtype`, `-> shape`. MLX: `full`.
///
/// # Errors
/// If a dimension is negative, or `vals` does not broadcast to `shape`.
pub fn full(shape: &[i32], vals: &Array, dtype: Dtype) -> Result<Array> {
    check_new_shape("full", shape)?;
    if crate::transforms::is_differentiating() {
        // MLX multiplies the gradient of `full` by the value.
        return super::broadcast_to(&super::astype(vals, dtype)?, shape)
            .map_err(|e| e.with_op("full"));
    }
    build("full", &[vals], |out, s| {
        let (p, n) = (shape.as_ptr(), shape.len());
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_full(out, p, n, vals.as_raw(), dtype.as_raw(), s) }
    })
}

/// start, start + step, ... below `stop`, `-> [ceil((stop - start) / step)]`. MLX: `arange`.
///
/// # Errors
/// If the step is zero, or a value is not finite or too large for the dtype.
pub fn arange(start: f64, stop: f64, step: f64, dtype: Dtype) -> Result<Array> {
    build("arange", &[], |out, s| {
        // SAFETY: the stream is valid; `out` is a null destination.
        unsafe { sys::mlx_arange(out, start, stop, step, dtype.as_raw(), s) }
    })
}

/// `num` values from `start` to `stop`, both included, at equal distances, `-> [num]`.
/// MLX: `linspace`.
///
/// # Errors
/// If `num` is negative.
pub fn linspace(start: f64, stop: f64, num: i32, dtype: Dtype) -> Result<Array> {
    build("linspace", &[], |out, s| {
        // SAFETY: the stream is valid; `out` is a null destination.
        unsafe { sys::mlx_linspace(out, start, stop, num, dtype.as_raw(), s) }
    })
}

/// Ones on the `k`-th diagonal, zeros elsewhere, `-> [n, m]`. MLX: `eye`.
///
/// # Errors
/// If a dimension is negative.
pub fn eye(n: i32, m: i32, k: i32, dtype: Dtype) -> Result<Array> {
    check_new_shape("eye", &[n, m])?;
    let k = k.clamp(-n, m);
    build("eye", &[], |out, s| {
        // SAFETY: the stream is valid; `out` is a null destination.
        unsafe { sys::mlx_eye(out, n, m, k, dtype.as_raw(), s) }
    })
}

/// Ones at and below the `k`-th diagonal, zeros above, `-> [n, m]`. MLX: `tri`.
///
/// # Errors
/// If a dimension is negative.
pub fn tri(n: i32, m: i32, k: i32, dtype: Dtype) -> Result<Array> {
    check_new_shape("tri", &[n, m])?;
    // MLX computes with k and with the rows even where there are no columns.
    let k = k.clamp(-n, m);
    build("tri", &[], |out, s| {
        // SAFETY: the stream is valid; `out` is a null destination.
        unsafe { sys::mlx_tri(out, n, m, k, dtype.as_raw(), s) }
    })
}

macro_rules! triangle {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If `x` has fewer than two dimensions.
        pub fn $name(x: &Array, k: i32) -> Result<Array> {
            // Beyond the corners nothing changes any more, and MLX's sums could overflow.
            let size = x.shape().iter().copied().max().unwrap_or(0);
            let k = k.clamp(-size, size.saturating_add(1));
            build(stringify!($name), &[x], |out, s| {
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, x.as_raw(), k, s) }
            })
        }
    )*};
}

triangle! {
    /// Zeros above the `k`-th diagonal of the last two axes, `[.., n, m] -> [.., n, m]`.
    /// MLX: `tril`.
    tril => mlx_tril;
    /// Zeros below the `k`-th diagonal of the last two axes, `[.., n, m] -> [.., n, m]`.
    /// MLX: `triu`.
    triu => mlx_triu;
}
