//! Element types of arrays, and the Rust types that correspond to them.
//!
//! Tests: `tests/dtypes.rs`.

use std::ffi::c_int;
use std::fmt;

use half::{bf16, f16};
use mlx_sys as sys;
use num_complex::Complex32;

use crate::{Error, ErrorKind, Result};

macro_rules! dtypes {
    ($($(#[$doc:meta])* $variant:ident = $raw:ident, $name:literal, $size:literal;)*) => {
        /// The type of an array's elements, named as MLX names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Dtype {
            $($(#[$doc])* $variant,)*
        }

        impl Dtype {
            /// Every dtype, in MLX's order.
            pub const ALL: &'static [Dtype] = &[$(Dtype::$variant,)*];

            /// The size of one element, in bytes.
            pub const fn size(self) -> usize {
                match self { $(Dtype::$variant => $size,)* }
            }

            /// MLX's name, for example `float32`.
            pub const fn name(self) -> &'static str {
                match self { $(Dtype::$variant => $name,)* }
            }

            #[doc(hidden)]
            pub const fn as_raw(self) -> sys::mlx_dtype {
                match self { $(Dtype::$variant => sys::$raw,)* }
            }

            #[doc(hidden)]
            pub const fn from_raw(raw: sys::mlx_dtype) -> Option<Self> {
                match raw { $(sys::$raw => Some(Dtype::$variant),)* _ => None }
            }
        }
    };
}

dtypes! {
    /// One byte, 0 or 1.
    Bool = mlx_dtype__MLX_BOOL, "bool", 1;
    /// Unsigned, 8 bits.
    Uint8 = mlx_dtype__MLX_UINT8, "uint8", 1;
    /// Unsigned, 16 bits.
    Uint16 = mlx_dtype__MLX_UINT16, "uint16", 2;
    /// Unsigned, 32 bits; also holds packed quantised weights.
    Uint32 = mlx_dtype__MLX_UINT32, "uint32", 4;
    /// Unsigned, 64 bits.
    Uint64 = mlx_dtype__MLX_UINT64, "uint64", 8;
    /// Signed, 8 bits.
    Int8 = mlx_dtype__MLX_INT8, "int8", 1;
    /// Signed, 16 bits.
    Int16 = mlx_dtype__MLX_INT16, "int16", 2;
    /// Signed, 32 bits.
    Int32 = mlx_dtype__MLX_INT32, "int32", 4;
    /// Signed, 64 bits.
    Int64 = mlx_dtype__MLX_INT64, "int64", 8;
    /// IEEE half precision.
    Float16 = mlx_dtype__MLX_FLOAT16, "float16", 2;
    /// IEEE single precision.
    Float32 = mlx_dtype__MLX_FLOAT32, "float32", 4;
    /// IEEE double precision; on the CPU only.
    Float64 = mlx_dtype__MLX_FLOAT64, "float64", 8;
    /// The upper half of a float32.
    Bfloat16 = mlx_dtype__MLX_BFLOAT16, "bfloat16", 2;
    /// Two float32: real and imaginary part.
    Complex64 = mlx_dtype__MLX_COMPLEX64, "complex64", 8;
}

impl Dtype {
    /// True for the four floating-point types.
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Dtype::Float16 | Dtype::Float32 | Dtype::Float64 | Dtype::Bfloat16
        )
    }

    /// True for the eight integer types; false for `bool`.
    pub const fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, Dtype::Bool | Dtype::Complex64)
    }

    /// True for the integer types that have negative values.
    pub const fn is_signed(self) -> bool {
        matches!(
            self,
            Dtype::Int8 | Dtype::Int16 | Dtype::Int32 | Dtype::Int64
        )
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Dtype {
    type Err = Error;

    /// Reads MLX's name; `torch.`- and `mlx.core.`-style prefixes are ignored.
    fn from_str(s: &str) -> Result<Self> {
        let name = s.rsplit('.').next().unwrap_or(s);
        Self::ALL
            .iter()
            .copied()
            .find(|d| d.name() == name)
            .ok_or_else(|| {
                Error::new(ErrorKind::Dtype, format!("unknown dtype {s:?}"))
                    .with_hint("use one of bool, uint8..uint64, int8..int64, float16, bfloat16, float32, float64, complex64")
            })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that arrays store unchanged.
///
/// Sealed: an implementation promises that the type has the size and the layout of
/// [`Element::DTYPE`] in MLX.
pub trait Element: sealed::Sealed + Copy + Send + 'static {
    /// The dtype of an array of `Self`.
    const DTYPE: Dtype;

    /// Returns true if the bytes, read from an array, are valid values of `Self`.
    #[doc(hidden)]
    fn valid(_bytes: &[u8]) -> bool {
        true
    }

    /// A scalar by MLX C's own function, for the types that have one.
    #[doc(hidden)]
    fn new_scalar(self) -> Option<sys::mlx_array> {
        None
    }

    /// As [`Element::new_scalar`], into an existing handle. Returns the status.
    ///
    /// # Safety
    /// `out` leads to a null or valid handle.
    #[doc(hidden)]
    unsafe fn set_scalar(self, _out: *mut sys::mlx_array) -> Option<c_int> {
        None
    }

    /// The one element of an array; none if MLX C may lack the type.
    ///
    /// # Safety
    /// The handle is valid, the array evaluated, of this dtype, and of one element.
    #[doc(hidden)]
    unsafe fn item(_array: sys::mlx_array) -> Option<(c_int, Self)> {
        None
    }

    /// Pointer to the first element of an array.
    ///
    /// # Safety
    /// The handle is valid, the array evaluated and of this dtype.
    #[doc(hidden)]
    unsafe fn data(array: sys::mlx_array) -> *const Self;
}

macro_rules! elements {
    ($($t:ty => $d:ident $data:ident as $c:ty $(, item $item:ident)? $(, scalar $new:ident $set:ident)?;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: Dtype = Dtype::$d;

            $(fn new_scalar(self) -> Option<sys::mlx_array> {
                // SAFETY: takes a number.
                Some(unsafe { sys::$new(self) })
            }

            unsafe fn set_scalar(self, out: *mut sys::mlx_array) -> Option<c_int> {
                // SAFETY: the caller's promise.
                Some(unsafe { sys::$set(out, self) })
            })?

            $(unsafe fn item(array: sys::mlx_array) -> Option<(c_int, Self)> {
                let mut value = Self::default();
                // SAFETY: the caller's promise.
                Some((unsafe { sys::$item(&mut value, array) }, value))
            })?

            unsafe fn data(array: sys::mlx_array) -> *const Self {
                // SAFETY: the caller's promise.
                let at: *const $c = unsafe { sys::$data(array) };
                at.cast()
            }
        }
        const _: () = assert!(std::mem::size_of::<$t>() == Dtype::$d.size());
    )*};
}

elements! {
    u8 => Uint8 mlx_array_data_uint8 as u8, item mlx_array_item_uint8;
    u16 => Uint16 mlx_array_data_uint16 as u16, item mlx_array_item_uint16;
    u32 => Uint32 mlx_array_data_uint32 as u32, item mlx_array_item_uint32;
    u64 => Uint64 mlx_array_data_uint64 as u64, item mlx_array_item_uint64;
    i8 => Int8 mlx_array_data_int8 as i8, item mlx_array_item_int8;
    i16 => Int16 mlx_array_data_int16 as i16, item mlx_array_item_int16;
    i32 => Int32 mlx_array_data_int32 as i32, item mlx_array_item_int32,
        scalar mlx_array_new_int mlx_array_set_int;
    i64 => Int64 mlx_array_data_int64 as i64, item mlx_array_item_int64;
    // MLX C has separate getters for these two if the C compiler has the types; they read the same address.
    f16 => Float16 mlx_array_data_uint16 as u16;
    bf16 => Bfloat16 mlx_array_data_uint16 as u16;
    f32 => Float32 mlx_array_data_float32 as f32, item mlx_array_item_float32,
        scalar mlx_array_new_float32 mlx_array_set_float32;
    f64 => Float64 mlx_array_data_float64 as f64, item mlx_array_item_float64,
        scalar mlx_array_new_float64 mlx_array_set_float64;
}

impl sealed::Sealed for Complex32 {}
impl Element for Complex32 {
    const DTYPE: Dtype = Dtype::Complex64;

    fn new_scalar(self) -> Option<sys::mlx_array> {
        // SAFETY: takes numbers.
        Some(unsafe { sys::mlx_array_new_complex(self.re, self.im) })
    }

    unsafe fn set_scalar(self, out: *mut sys::mlx_array) -> Option<c_int> {
        // SAFETY: the caller's promise.
        Some(unsafe { sys::mlx_array_set_complex(out, self.re, self.im) })
    }

    unsafe fn item(array: sys::mlx_array) -> Option<(c_int, Self)> {
        let mut value = Self::new(0.0, 0.0);
        // SAFETY: the caller's promise; both types are two floats.
        let status = unsafe { sys::mlx_array_item_complex64((&raw mut value).cast(), array) };
        Some((status, value))
    }

    unsafe fn data(array: sys::mlx_array) -> *const Self {
        // SAFETY: the caller's promise; both types are two floats.
        unsafe { sys::mlx_array_data_complex64(array) }.cast()
    }
}
const _: () = assert!(std::mem::size_of::<Complex32>() == Dtype::Complex64.size());

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: Dtype = Dtype::Bool;

    fn new_scalar(self) -> Option<sys::mlx_array> {
        // SAFETY: takes a truth value.
        Some(unsafe { sys::mlx_array_new_bool(self) })
    }

    unsafe fn set_scalar(self, out: *mut sys::mlx_array) -> Option<c_int> {
        // SAFETY: the caller's promise.
        Some(unsafe { sys::mlx_array_set_bool(out, self) })
    }

    unsafe fn item(array: sys::mlx_array) -> Option<(c_int, Self)> {
        let mut value = false;
        // SAFETY: the caller's promise; the byte was found to be 0 or 1.
        let status = unsafe { sys::mlx_array_item_bool(&mut value, array) };
        Some((status, value))
    }

    unsafe fn data(array: sys::mlx_array) -> *const Self {
        // SAFETY: the caller's promise.
        unsafe { sys::mlx_array_data_bool(array) }
    }

    // A file or a view can put any byte into a bool array; Rust allows two of them.
    fn valid(bytes: &[u8]) -> bool {
        bytes.iter().all(|&b| b <= 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_raw_values_round_trip() {
        for &d in Dtype::ALL {
            assert_eq!(Dtype::from_raw(d.as_raw()), Some(d));
            assert_eq!(d.name().parse::<Dtype>().unwrap(), d);
        }
        assert_eq!("torch.bfloat16".parse::<Dtype>().unwrap(), Dtype::Bfloat16);
        assert!("float".parse::<Dtype>().is_err());
    }
}
