//! Operators between arrays, results and numbers.
//!
//! All of them return `Result<Array>`, as every operation does: shapes that do not fit are an
//! error and no panic. Rust allows `Result<Array>` on either side as long as the other side is an
//! array, so that a chain needs one `?` at its end.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Shl, Shr, Sub};

use num_complex::Complex32;

use super::operand::{sealed::Operand as _, Operand};
use crate::{ops, Array, Dtype, Result};

macro_rules! operators {
    ($($trait:ident $method:ident => $op:ident;)*) => {$(
        impl<R: Operand> $trait<R> for &Array {
            type Output = Result<Array>;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: R) -> Result<Array> {
                right.with(self.dtype(), |right| ops::$op(self, right))
            }
        }

        impl<R: Operand> $trait<R> for Array {
            type Output = Result<Array>;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: R) -> Result<Array> {
                $trait::$method(&self, right)
            }
        }

        impl $trait<&Array> for Result<Array> {
            type Output = Result<Array>;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: &Array) -> Result<Array> {
                ops::$op(&self?, right)
            }
        }

        impl $trait<Array> for Result<Array> {
            type Output = Result<Array>;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: Array) -> Result<Array> {
                ops::$op(&self?, &right)
            }
        }

        numbers! { $trait $method $op: bool i32 f64 Complex32 }
    )*};
}

/// A number on the left. One type of each kind, so that a literal needs no suffix: with more the
/// compiler could not tell which operator is meant.
macro_rules! numbers {
    ($trait:ident $method:ident $op:ident: $($t:ty)*) => {$(
        impl $trait<&Array> for $t {
            type Output = Result<Array>;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: &Array) -> Result<Array> {
                self.with(right.dtype(), |left| ops::$op(left, right))
            }
        }

        impl $trait<Array> for $t {
            type Output = Result<Array>;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: Array) -> Result<Array> {
                $trait::$method(self, &right)
            }
        }
    )*};
}

operators! {
    Add add => add;
    Sub sub => subtract;
    Mul mul => multiply;
    Div div => divide;
    Rem rem => remainder;
    BitAnd bitand => bitwise_and;
    BitOr bitor => bitwise_or;
    BitXor bitxor => bitwise_xor;
    Shl shl => left_shift;
    Shr shr => right_shift;
}

/// Python's `~`.
fn invert(a: &Array) -> Result<Array> {
    match a.dtype() {
        Dtype::Bool => ops::logical_not(a),
        _ => ops::bitwise_invert(a),
    }
}

macro_rules! prefixes {
    ($($trait:ident $method:ident => $op:path;)*) => {$(
        impl $trait for &Array {
            type Output = Result<Array>;
            fn $method(self) -> Result<Array> {
                $op(self)
            }
        }

        impl $trait for Array {
            type Output = Result<Array>;
            fn $method(self) -> Result<Array> {
                $op(&self)
            }
        }
    )*};
}

prefixes! {
    Neg neg => ops::negative;
    Not not => invert;
}
