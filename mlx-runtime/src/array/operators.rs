//! Operators between arrays, results and numbers.
//!
//! All of them return an [`Array`], so that the result may stand beside a number. Where the operation is refused it is a
//! failed array ([`Array::check`]). Rust allows `Result<Array>` on either side as long as the other side is an array.
//!
//! Tests: `tests/operators.rs`.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Shl, Shr, Sub};

use num_complex::Complex32;

use super::failed;
use super::operand::{sealed::Operand as _, Operand};
use crate::{ops, Array, Dtype, Result};

macro_rules! operators {
    ($($trait:ident $method:ident => $op:ident;)*) => {$(
        impl<R: Operand> $trait<R> for &Array {
            type Output = Array;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: R) -> Array {
                // The left side's error comes first.
                let both = failed::check_inputs([self])
                    .and_then(|()| right.with(self.dtype(), |right| ops::$op(self, right)));
                Array::or_failed(both)
            }
        }

        impl<R: Operand> $trait<R> for Array {
            type Output = Array;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: R) -> Array {
                $trait::$method(&self, right)
            }
        }

        impl $trait<&Array> for Result<Array> {
            type Output = Array;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: &Array) -> Array {
                $trait::$method(Array::or_failed(self), right)
            }
        }

        impl $trait<Array> for Result<Array> {
            type Output = Array;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: Array) -> Array {
                $trait::$method(Array::or_failed(self), &right)
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
            type Output = Array;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: &Array) -> Array {
                let both = failed::check_inputs([right])
                    .and_then(|()| self.with(right.dtype(), |left| ops::$op(left, right)));
                Array::or_failed(both)
            }
        }

        impl $trait<Array> for $t {
            type Output = Array;
            #[doc = concat!("[`ops::", stringify!($op), "`].")]
            fn $method(self, right: Array) -> Array {
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
            type Output = Array;
            fn $method(self) -> Array {
                Array::or_failed($op(self))
            }
        }

        impl $trait for Array {
            type Output = Array;
            fn $method(self) -> Array {
                Array::or_failed($op(&self))
            }
        }
    )*};
}

prefixes! {
    Neg neg => ops::negative;
    Not not => invert;
}
