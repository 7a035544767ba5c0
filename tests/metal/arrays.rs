//! Arrays of random numbers, and their elements in memory.

use mlx_macros_core::syntax::signature::Dt;
use mlx_runtime::{bf16, f16, ops, Array, Dtype, Result};

use crate::random::Random;

/// The dtype of an array's elements.
pub fn stored(dt: Dt, float: Dtype) -> Dtype {
    match dt {
        Dt::Float => float,
        Dt::F32 => Dtype::Float32,
        Dt::I32 => Dtype::Int32,
        Dt::U32 => Dtype::Uint32,
        Dt::Bool => Dtype::Bool,
    }
}

/// MLX's name of a dtype in kernels.
pub fn type_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Float16 => "float16_t",
        Dtype::Bfloat16 => "bfloat16_t",
        Dtype::Int32 => "int32_t",
        Dtype::Uint32 => "uint32_t",
        Dtype::Bool => "bool",
        _ => "float",
    }
}

/// An array of random numbers; `wild` ones have NaN and infinities, too.
pub fn array(random: &mut Random, shape: &[i32], dtype: Dtype, wild: bool) -> Array {
    let count = shape.iter().product::<i32>();
    let float = |random: &mut Random| match wild && random.one_in(9) {
        true => *random.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 3e38]),
        false => random.unit() * 2.0,
    };
    let made = match dtype {
        Dtype::Int32 => {
            let all: Vec<i32> = (0..count).map(|_| random.below(17) as i32 - 8).collect();
            Array::from_slice(&all, shape)
        }
        Dtype::Uint32 => {
            let all: Vec<u32> = (0..count).map(|_| random.below(9) as u32).collect();
            Array::from_slice(&all, shape)
        }
        Dtype::Bool => {
            let all: Vec<bool> = (0..count).map(|_| random.one_in(2)).collect();
            Array::from_slice(&all, shape)
        }
        _ => {
            let all: Vec<f32> = (0..count).map(|_| float(random)).collect();
            Array::from_slice(&all, shape).and_then(|a| ops::astype(&a, dtype))
        }
    };
    made.expect("the array is made")
}

/// The elements in memory.
pub fn bytes(a: &Array) -> Vec<u8> {
    let whole = |list: Vec<u16>| list.iter().flat_map(|n| n.to_le_bytes()).collect();
    let made: Result<Vec<u8>> = (|| {
        Ok(match a.dtype() {
            Dtype::Float16 => whole(a.to_vec::<f16>()?.iter().map(|x| x.to_bits()).collect()),
            Dtype::Bfloat16 => whole(a.to_vec::<bf16>()?.iter().map(|x| x.to_bits()).collect()),
            Dtype::Int32 => a
                .to_vec::<i32>()?
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .collect(),
            Dtype::Uint32 => a
                .to_vec::<u32>()?
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .collect(),
            Dtype::Bool => a.to_vec::<bool>()?.iter().map(|b| u8::from(*b)).collect(),
            _ => a
                .to_vec::<f32>()?
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .collect(),
        })
    })();
    made.expect("the array has values")
}

/// Elements in memory as numbers.
pub fn numbers(bytes: &[u8], dtype: Dtype) -> Vec<f64> {
    let four = |f: fn([u8; 4]) -> f64| bytes.chunks(4).map(|b| f(b.try_into().unwrap())).collect();
    let two = |f: fn(u16) -> f64| {
        bytes
            .chunks(2)
            .map(|b| f(u16::from_le_bytes(b.try_into().unwrap())))
            .collect()
    };
    match dtype {
        Dtype::Float16 => two(|b| f16::from_bits(b).to_f64()),
        Dtype::Bfloat16 => two(|b| bf16::from_bits(b).to_f64()),
        Dtype::Int32 => four(|b| f64::from(i32::from_le_bytes(b))),
        Dtype::Uint32 => four(|b| f64::from(u32::from_le_bytes(b))),
        Dtype::Bool => bytes.iter().map(|b| f64::from(*b)).collect(),
        _ => four(|b| f64::from(f32::from_le_bytes(b))),
    }
}
