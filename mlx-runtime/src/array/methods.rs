//! Operations as methods, named as those of `mlx.core.array`; each is the function of [`ops`] of
//! that name with the array as its first argument.
//!
//! Tests: `tests/operators.rs`, `mlx-tests --test api`.

use super::operand::Operand;
use crate::{ops, Array, Dtype, Result};

/// Methods without arguments.
macro_rules! plain {
    ($($name:ident => $op:ident;)*) => {$(
        #[doc = concat!("[`ops::", stringify!($op), "`].")]
        ///
        /// # Errors
        /// As the function.
        pub fn $name(&self) -> Result<Array> {
            ops::$op(self)
        }
    )*};
}

/// Methods with arguments of their own.
macro_rules! with {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        #[doc = concat!("[`ops::", stringify!($name), "`].")]
        ///
        /// # Errors
        /// As the function.
        pub fn $name(&self, $($arg: $t),*) -> Result<$out> {
            ops::$name(self, $($arg),*)
        }
    )*};
}

/// Methods with an operand, see [`Operand`].
macro_rules! beside {
    ($($name:ident)*) => {$(
        #[doc = concat!("[`ops::", stringify!($name), "`] with an array or a number, see [`Operand`].")]
        ///
        /// # Errors
        /// As the function.
        pub fn $name(&self, other: impl Operand) -> Result<Array> {
            other.with(self.dtype(), |other| ops::$name(self, other))
        }
    )*};
}

impl Array {
    plain! {
        abs => abs;
        conj => conjugate;
        cos => cos;
        exp => exp;
        imag => imag;
        log => log;
        log10 => log10;
        log1p => log1p;
        log2 => log2;
        real => real;
        reciprocal => reciprocal;
        rsqrt => rsqrt;
        sin => sin;
        sqrt => sqrt;
        square => square;
    }

    with! {
        all(axes: &[i32], keepdims: bool) -> Array;
        any(axes: &[i32], keepdims: bool) -> Array;
        argmax(axis: impl Into<Option<i32>>, keepdims: bool) -> Array;
        argmin(axis: impl Into<Option<i32>>, keepdims: bool) -> Array;
        astype(dtype: Dtype) -> Array;
        cummax(axis: impl Into<Option<i32>>, reverse: bool, inclusive: bool) -> Array;
        cummin(axis: impl Into<Option<i32>>, reverse: bool, inclusive: bool) -> Array;
        cumprod(axis: impl Into<Option<i32>>, reverse: bool, inclusive: bool) -> Array;
        cumsum(axis: impl Into<Option<i32>>, reverse: bool, inclusive: bool) -> Array;
        diag(k: i32) -> Array;
        diagonal(offset: i32, axis1: i32, axis2: i32) -> Array;
        flatten(start_axis: i32, end_axis: i32) -> Array;
        logcumsumexp(axis: impl Into<Option<i32>>, reverse: bool, inclusive: bool) -> Array;
        logsumexp(axes: &[i32], keepdims: bool) -> Array;
        max(axes: &[i32], keepdims: bool) -> Array;
        mean(axes: &[i32], keepdims: bool) -> Array;
        min(axes: &[i32], keepdims: bool) -> Array;
        moveaxis(source: i32, destination: i32) -> Array;
        prod(axes: &[i32], keepdims: bool) -> Array;
        reshape(shape: &[i32]) -> Array;
        round(decimals: i32) -> Array;
        split(num_splits: i32, axis: i32) -> Vec<Array>;
        squeeze(axes: &[i32]) -> Array;
        std(axes: &[i32], keepdims: bool, ddof: i32) -> Array;
        sum(axes: &[i32], keepdims: bool) -> Array;
        swapaxes(axis1: i32, axis2: i32) -> Array;
        transpose(axes: &[i32]) -> Array;
        var(axes: &[i32], keepdims: bool, ddof: i32) -> Array;
        view(dtype: Dtype) -> Array;
    }

    beside! {
        equal not_equal less less_equal greater greater_equal
        floor_divide logaddexp logical_and logical_or maximum minimum power
    }

    /// The axes in reverse order. MLX: `array.T`.
    ///
    /// # Errors
    /// As [`ops::transpose`].
    pub fn t(&self) -> Result<Array> {
        ops::transpose(self, &[])
    }

    /// True if all elements are close: |a - b| <= 1e-8 + 1e-5 * |b|, NaN to nothing; the arrays broadcast. Evaluates.
    /// [`ops::allclose`] with MLX's defaults.
    ///
    /// # Errors
    /// As the function.
    pub fn allclose(&self, other: impl Operand) -> Result<bool> {
        let close = |other: &Array| ops::allclose(self, other, 1e-5, 1e-8, false)?.item();
        other.with(self.dtype(), close)
    }

    /// The slices at `indices` along `axis`: [`ops::take`].
    ///
    /// # Errors
    /// As the function.
    pub fn take(&self, indices: &Array, axis: impl Into<Option<i32>>) -> Result<Array> {
        ops::take(self, indices, axis)
    }

    /// The matrix product, Python's `@`: [`ops::matmul`].
    ///
    /// # Errors
    /// As the function.
    pub fn matmul(&self, other: &Array) -> Result<Array> {
        ops::matmul(self, other)
    }
}
