//! Decodes the eight-bit floats of the safetensors format (OCP OFP8 and MX).
//!
//! MLX reads their bytes. Each of their values is a bfloat16, so that nothing is lost here.
//!
//! Tests: `tests/dtypes.rs`.

use crate::{ops, Array, Dtype, Result};

/// A coding of floats in eight bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float8 {
    /// Three bits of mantissa, no infinities.
    E4M3,
    /// Two bits of mantissa: the upper half of a float16.
    E5M2,
    /// A power of two, without a sign.
    E8M0,
}

impl Float8 {
    /// The coding that the format calls `name`.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "F8_E4M3" => Float8::E4M3,
            "F8_E5M2" => Float8::E5M2,
            "F8_E8M0" => Float8::E8M0,
            _ => return None,
        })
    }

    /// The values of `bytes`, uint8, as bfloat16.
    pub(super) fn values(self, bytes: &Array) -> Result<Array> {
        let scalar = |n: u16| Array::scalar(n);
        match self {
            Float8::E4M3 => {
                // MLX takes the code of NaN for 480.
                let low = ops::bitwise_and(bytes, &Array::scalar(0x7f_u8)?)?;
                let nan = ops::equal(&low, &Array::scalar(0x7f_u8)?)?;
                let values = ops::from_fp8(bytes, Dtype::Bfloat16)?;
                let not_a_number = Array::scalar(half::bf16::NAN)?;
                ops::where_(&nan, &not_a_number, &values)
            }
            Float8::E5M2 => {
                let wide = ops::astype(bytes, Dtype::Uint16)?;
                let bits = ops::left_shift(&wide, &scalar(8)?)?;
                ops::astype(&ops::view(&bits, Dtype::Float16)?, Dtype::Bfloat16)
            }
            Float8::E8M0 => {
                // The byte is the exponent of a bfloat16, but for the least value, which is
                // subnormal there, and the greatest, which is NaN.
                let wide = ops::astype(bytes, Dtype::Uint16)?;
                let bits = ops::left_shift(&wide, &scalar(7)?)?;
                let bits = ops::maximum(&bits, &scalar(0x0040)?)?;
                let top = ops::equal(&wide, &scalar(0xff)?)?;
                let bits = ops::where_(&top, &scalar(0x7fc0)?, &bits)?;
                ops::view(&bits, Dtype::Bfloat16)
            }
        }
    }
}
