//! Operands beside an array in an expression: arrays, results and numbers.
//!
//! Tests: `tests/operators.rs`.

use num_complex::Complex32;

use crate::{Array, Dtype, Error, ErrorKind, Result};

/// An operand: an [`Array`] or a reference to one, what an operation returned
/// (`Result<Array>`, whose error is passed on), or a number.
///
/// Numbers are typed weakly, as in Python: `bool`, whole numbers and floats take the array's dtype
/// where it can hold their kind, so that `&a * 2.0` of a bfloat16 array is bfloat16. A whole number
/// beside an array of bool is int32, a float beside whole numbers float32, a complex number always
/// complex64. A whole number that the array's dtype cannot hold is an error.
///
/// Sealed.
pub trait Operand: sealed::Operand {}

impl<T: sealed::Operand> Operand for T {}

pub(crate) mod sealed {
    use crate::{Array, Dtype, Result};

    /// One side of an operation.
    pub trait Operand {
        /// Calls `f` with the operand as an array; a number takes its dtype from `like`.
        fn with<T>(self, like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T>;

        /// The dtype of an array; a number has none of its own.
        fn dtype(&self) -> Option<Dtype> {
            None
        }
    }
}

impl sealed::Operand for &Array {
    fn with<T>(self, _like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
        f(self)
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Array::dtype(self))
    }
}

impl sealed::Operand for Array {
    fn with<T>(self, _like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
        f(&self)
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Array::dtype(self))
    }
}

impl sealed::Operand for Result<Array> {
    fn with<T>(self, _like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
        f(&self?)
    }

    fn dtype(&self) -> Option<Dtype> {
        self.as_ref().ok().map(Array::dtype)
    }
}

impl sealed::Operand for bool {
    fn with<T>(self, like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
        f(&Array::scalar_as(f64::from(u8::from(self)), like)?)
    }
}

impl sealed::Operand for Complex32 {
    fn with<T>(self, _like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
        f(&Array::scalar(self)?)
    }
}

macro_rules! floats {
    ($($t:ty)*) => {$(
        impl sealed::Operand for $t {
            fn with<T>(self, like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
                let dtype = if like.is_float() { like } else { Dtype::Float32 };
                f(&Array::scalar_as(f64::from(self), dtype)?)
            }
        }
    )*};
}
floats!(f32 f64);

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl sealed::Operand for $t {
            fn with<T>(self, like: Dtype, f: impl FnOnce(&Array) -> Result<T>) -> Result<T> {
                f(&whole(i128::from(self), like)?)
            }
        }
    )*};
}
integers!(i8 u8 i16 u16 i32 u32 i64 u64);

/// A number beside an array of `like`: as a whole number if it is one, else as a float.
pub(crate) fn weak(value: f64, like: Dtype) -> Result<Array> {
    let whole = value as i64;
    if whole as f64 == value {
        sealed::Operand::with(whole, like, |a| Ok(a.clone()))
    } else {
        sealed::Operand::with(value, like, |a| Ok(a.clone()))
    }
}

/// A scalar of a whole number beside an array of `like`.
fn whole(n: i128, like: Dtype) -> Result<Array> {
    macro_rules! exact {
        ($t:ty, $n:expr) => {
            match <$t>::try_from($n) {
                Ok(n) => Array::scalar(n),
                Err(_) => Err(Error::new(
                    ErrorKind::Dtype,
                    format!(
                        "number {} is out of range for {}",
                        $n,
                        <$t as crate::Element>::DTYPE
                    ),
                )
                .with_op("scalar")
                .with_hint("convert the array with `ops::astype` first")),
            }
        };
    }
    match like {
        Dtype::Uint8 => exact!(u8, n),
        Dtype::Uint16 => exact!(u16, n),
        Dtype::Uint32 => exact!(u32, n),
        // As in Python, where negative numbers wrap here alone.
        Dtype::Uint64 => Array::scalar(n as u64),
        Dtype::Int8 => exact!(i8, n),
        Dtype::Int16 => exact!(i16, n),
        Dtype::Bool | Dtype::Int32 => exact!(i32, n),
        Dtype::Int64 => exact!(i64, n),
        float => Array::scalar_as(n as f64, float),
    }
}
