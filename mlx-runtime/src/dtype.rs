//! Element types.

use std::fmt;

use half::{bf16, f16};
use mlx_sys as sys;

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
                Error::new(ErrorKind::Dtype, format!("no dtype is called {s:?}"))
                    .with_hint("one of: bool, uint8..uint64, int8..int64, float16, bfloat16, float32, float64, complex64")
            })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is stored in arrays as it is.
///
/// Sealed: an implementation promises that the type has the size and the layout of
/// [`Element::DTYPE`] in MLX.
pub trait Element: sealed::Sealed + Copy + Send + 'static {
    /// The dtype of an array of `Self`.
    const DTYPE: Dtype;

    /// Whether the bytes, read from an array, are valid values of `Self`.
    #[doc(hidden)]
    fn valid(_bytes: &[u8]) -> bool {
        true
    }
}

macro_rules! elements {
    ($($t:ty => $d:ident),* $(,)?) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: Dtype = Dtype::$d;
        }
        const _: () = assert!(std::mem::size_of::<$t>() == Dtype::$d.size());
    )*};
}

elements! {
    u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64,
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    f16 => Float16, bf16 => Bfloat16, f32 => Float32, f64 => Float64,
}

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: Dtype = Dtype::Bool;

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
