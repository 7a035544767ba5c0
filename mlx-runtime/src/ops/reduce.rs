//! Reductions and scans.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Dtype, Result};

/// Reductions over a list of axes.
macro_rules! reduce {
    ($($(#[$doc:meta])* $name:ident => $all:ident, $axes:ident, $axis:ident;)*) => {$(
        $(#[$doc])*
        /// Over all axes if `axes` is empty; `keepdims` keeps them with size 1.
        ///
        /// # Errors
        /// If an axis does not exist or is there twice.
        pub fn $name(a: &Array, axes: &[i32], keepdims: bool) -> Result<Array> {
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input, the axes and the stream are valid; `out` is a null
                // destination.
                unsafe {
                    match axes {
                        [] => sys::$all(out, a.as_raw(), keepdims, s),
                        [axis] => sys::$axis(out, a.as_raw(), *axis, keepdims, s),
                        _ => sys::$axes(out, a.as_raw(), axes.as_ptr(), axes.len(), keepdims, s),
                    }
                }
            })
        }
    )*};
}

reduce! {
    /// The sum of the elements; bool and small integers add up in int32. MLX: `sum`.
    sum => mlx_sum, mlx_sum_axes, mlx_sum_axis;
    /// The largest element; an error if there is none. MLX: `max`.
    max => mlx_max, mlx_max_axes, mlx_max_axis;
    /// The smallest element; an error if there is none. MLX: `min`.
    min => mlx_min, mlx_min_axes, mlx_min_axis;
    /// The product of the elements. MLX: `prod`.
    prod => mlx_prod, mlx_prod_axes, mlx_prod_axis;
    /// True where all elements are not zero, as bool. MLX: `all`.
    all => mlx_all, mlx_all_axes, mlx_all_axis;
    /// True where any element is not zero, as bool. MLX: `any`.
    any => mlx_any, mlx_any_axes, mlx_any_axis;
    /// log(sum(exp(x))) without overflow. MLX: `logsumexp`.
    logsumexp => mlx_logsumexp, mlx_logsumexp_axes, mlx_logsumexp_axis;
    /// How many elements are not zero. MLX: `count_nonzero`.
    count_nonzero => mlx_count_nonzero, mlx_count_nonzero_axes, mlx_count_nonzero_axis;
    /// The median. MLX: `median`.
    median => mlx_median, mlx_median_axes, mlx_median_axis;
}

/// `of` in float32 where MLX rounds a sum or a mean on the way to the result: half precision overflows or loses all its
/// digits, and 32-bit integers wrap around.
fn in_float32(a: &Array, of: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    match a.dtype() {
        dtype @ (Dtype::Float16 | Dtype::Bfloat16) => {
            super::astype(&of(&super::astype(a, Dtype::Float32)?)?, dtype)
        }
        Dtype::Float32 | Dtype::Float64 | Dtype::Complex64 => of(a),
        _ => of(&super::astype(a, Dtype::Float32)?),
    }
}

/// The mean of the elements, floating point. Over all axes if `axes` is empty; `keepdims` keeps them with size 1. Half
/// precision and integers add up in float32. MLX: `mean`.
///
/// # Errors
/// If an axis does not exist or is there twice.
pub fn mean(a: &Array, axes: &[i32], keepdims: bool) -> Result<Array> {
    let of = |a: &Array| {
        build("mean", &[a], |out, s| {
            let a = a.as_raw();
            // SAFETY: the input, the axes and the stream are valid; `out` is a null destination.
            unsafe {
                match axes {
                    [] => sys::mlx_mean(out, a, keepdims, s),
                    [axis] => sys::mlx_mean_axis(out, a, *axis, keepdims, s),
                    _ => sys::mlx_mean_axes(out, a, axes.as_ptr(), axes.len(), keepdims, s),
                }
            }
        })
    };
    in_float32(a, of)
}

/// Reductions with a correction of the count.
macro_rules! spread {
    ($($(#[$doc:meta])* $name:ident => $all:ident, $axes:ident, $axis:ident;)*) => {$(
        $(#[$doc])*
        /// Over all axes if `axes` is empty; `keepdims` keeps them with size 1; the divisor is
        /// the count less `ddof`. Half precision and integers are computed in float32.
        ///
        /// # Errors
        /// If an axis does not exist or is there twice.
        pub fn $name(a: &Array, axes: &[i32], keepdims: bool, ddof: i32) -> Result<Array> {
            let of = |a: &Array| build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input, the axes and the stream are valid; `out` is a null
                // destination.
                unsafe {
                    match axes {
                        [] => sys::$all(out, a.as_raw(), keepdims, ddof, s),
                        [axis] => sys::$axis(out, a.as_raw(), *axis, keepdims, ddof, s),
                        _ => {
                            let (p, n) = (axes.as_ptr(), axes.len());
                            sys::$axes(out, a.as_raw(), p, n, keepdims, ddof, s)
                        }
                    }
                }
            });
            in_float32(a, of)
        }
    )*};
}

spread! {
    /// The variance. MLX: `var`.
    var => mlx_var, mlx_var_axes, mlx_var_axis;
    /// The standard deviation. MLX: `std`.
    std => mlx_std, mlx_std_axes, mlx_std_axis;
}

/// Reductions to an index along one axis.
macro_rules! arg {
    ($($(#[$doc:meta])* $name:ident => $axis:ident, $all:ident;)*) => {$(
        $(#[$doc])*
        /// `None` searches the flattened array.
        ///
        /// # Errors
        /// If the axis does not exist or is empty.
        pub fn $name(
            a: &Array,
            axis: impl Into<Option<i32>>,
            keepdims: bool,
        ) -> Result<Array> {
            let axis = axis.into();
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe {
                    match axis {
                        None => sys::$all(out, a.as_raw(), keepdims, s),
                        Some(axis) => sys::$axis(out, a.as_raw(), axis, keepdims, s),
                    }
                }
            })
        }
    )*};
}

arg! {
    /// The index of the first largest element along `axis`, as uint32. MLX: `argmax`.
    argmax => mlx_argmax_axis, mlx_argmax;
    /// The index of the first smallest element along `axis`, as uint32. MLX: `argmin`.
    argmin => mlx_argmin_axis, mlx_argmin;
}

/// exp(x) / sum(exp(x)) over `axes` (all if empty), `[..] -> [..]`; `precise` sums half
/// precision in float32. MLX: `softmax`.
///
/// # Errors
/// If an axis does not exist or is there twice.
pub fn softmax(a: &Array, axes: &[i32], precise: bool) -> Result<Array> {
    build("softmax", &[a], |out, s| {
        // SAFETY: the input, the axes and the stream are valid; `out` is a null destination.
        unsafe {
            match axes {
                [] => sys::mlx_softmax(out, a.as_raw(), precise, s),
                [axis] => sys::mlx_softmax_axis(out, a.as_raw(), *axis, precise, s),
                _ => sys::mlx_softmax_axes(out, a.as_raw(), axes.as_ptr(), axes.len(), precise, s),
            }
        }
    })
}

/// Scans that keep the dtype.
macro_rules! scan {
    ($($(#[$doc:meta])* $name:ident => $axis:ident, $all:ident $(, $dtype:expr)?;)*) => {$(
        $(#[$doc])*
        /// `reverse` starts at the end; `inclusive` counts the element itself. `[..] -> [..]`;
        /// `None` flattens the array first.
        ///
        /// # Errors
        /// If the axis does not exist.
        pub fn $name(
            a: &Array,
            axis: impl Into<Option<i32>>,
            reverse: bool,
            inclusive: bool,
        ) -> Result<Array> {
            let axis = axis.into();
            let n = axis.map_or(Ok(a.size() as i32), |axis| a.dim(axis));
            let n = n.map_err(|e| e.renamed(stringify!($name)))?;
            // The first result of an exclusive scan depends on no element, and MLX's gradient divides
            // by the number of those that do.
            let alone = (!inclusive && n == 1).then(|| super::stop_gradient(a));
            let a = &alone.unwrap_or_else(|| Ok(a.clone()))?;
            build(stringify!($name), &[a], |out, s| {
                let a = a.as_raw();
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe {
                    match axis {
                        None => sys::$all(out, a, reverse, inclusive, $($dtype,)? s),
                        Some(axis) => sys::$axis(out, a, axis, reverse, inclusive, $($dtype,)? s),
                    }
                }
            })
        }
    )*};
}

scan! {
    /// The sum of the elements up to each one along `axis`. MLX: `cumsum`.
    cumsum => mlx_cumsum_axis, mlx_cumsum, super::optional_dtype(None);
    /// The product of the elements up to each one along `axis`. MLX: `cumprod`.
    cumprod => mlx_cumprod_axis, mlx_cumprod, super::optional_dtype(None);
    /// The largest element up to each one along `axis`. MLX: `cummax`.
    cummax => mlx_cummax_axis, mlx_cummax;
    /// The smallest element up to each one along `axis`. MLX: `cummin`.
    cummin => mlx_cummin_axis, mlx_cummin;
    /// log(sum(exp(x))) of the elements up to each one along `axis`. MLX: `logcumsumexp`.
    logcumsumexp => mlx_logcumsumexp_axis, mlx_logcumsumexp;
}
