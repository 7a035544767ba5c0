//! Arrays and dtypes as serde's data, with the feature `serde`.
//!
//! Tests: `mlx-tests --test serde`.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{bf16, f16, Array, Complex32, Dtype, Result};

/// An array: its shape, and its elements in row-major order under the name of their dtype.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Array")]
struct Parts {
    shape: Vec<i32>,
    data: Data,
}

macro_rules! data {
    ($($dtype:ident: $element:ty as $stored:ty, $store:expr, $load:expr;)*) => {
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Data {
            $($dtype(Vec<$stored>),)*
        }

        impl Data {
            fn of(a: &Array) -> Result<Self> {
                Ok(match a.dtype() {
                    $(Dtype::$dtype => {
                        Data::$dtype(a.to_vec::<$element>()?.into_iter().map($store).collect())
                    })*
                })
            }

            fn array(self, shape: &[i32]) -> Result<Array> {
                match self {
                    $(Data::$dtype(all) => {
                        let all: Vec<$element> = all.into_iter().map($load).collect();
                        Array::from_slice(&all, shape)
                    })*
                }
            }
        }
    };
}

data! {
    Bool: bool as bool, |x| x, |x| x;
    Uint8: u8 as u8, |x| x, |x| x;
    Uint16: u16 as u16, |x| x, |x| x;
    Uint32: u32 as u32, |x| x, |x| x;
    Uint64: u64 as u64, |x| x, |x| x;
    Int8: i8 as i8, |x| x, |x| x;
    Int16: i16 as i16, |x| x, |x| x;
    Int32: i32 as i32, |x| x, |x| x;
    Int64: i64 as i64, |x| x, |x| x;
    Float16: f16 as f32, f16::to_f32, f16::from_f32;
    Float32: f32 as f32, |x| x, |x| x;
    Float64: f64 as f64, |x| x, |x| x;
    Bfloat16: bf16 as f32, bf16::to_f32, bf16::from_f32;
    Complex64: Complex32 as [f32; 2], |z| [z.re, z.im], |[re, im]| Complex32::new(re, im);
}

/// Evaluates the array. Formats that have no NaN, such as JSON, cannot hold one.
impl Serialize for Array {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let data = Data::of(self).map_err(S::Error::custom)?;
        let shape = self.shape().to_vec();
        Parts { shape, data }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let Parts { shape, data } = Parts::deserialize(from)?;
        data.array(&shape).map_err(D::Error::custom)
    }
}

/// MLX's name of the dtype.
impl Serialize for Dtype {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Dtype {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
