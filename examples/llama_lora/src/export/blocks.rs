//! Values as GGUF files hold them. The blocks are those of llama.cpp's reference functions (`quantize_row_q8_0_ref` and
//! so on), byte for byte.
//!
//! Tests: `tests/export.rs`.

use half::{bf16, f16};
use rayon::prelude::*;

use super::Type;

/// Values of a block.
pub const BLOCK: usize = 32;

/// The bytes of a block of `kind`, or of [`BLOCK`] numbers.
pub fn size(kind: Type) -> usize {
    match kind {
        Type::F32 => 4 * BLOCK,
        Type::F16 | Type::Bf16 => 2 * BLOCK,
        Type::Q8_0 => 2 + BLOCK,
        Type::Q4_0 => 2 + BLOCK / 2,
        Type::Q4_1 => 4 + BLOCK / 2,
    }
}

/// The numbers in `kind`. Blocks need a multiple of [`BLOCK`] numbers.
pub fn bytes(numbers: &[f32], kind: Type) -> Vec<u8> {
    /// Numbers that one thread takes at a time.
    const PART: usize = BLOCK << 12;
    let parts: Vec<Vec<u8>> = numbers
        .par_chunks(PART)
        .map(|part| {
            let mut out = Vec::with_capacity(part.len().div_ceil(BLOCK) * size(kind));
            for block in part.chunks(BLOCK) {
                match kind {
                    Type::F32 => out.extend(block.iter().flat_map(|x| x.to_le_bytes())),
                    Type::F16 => {
                        out.extend(block.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()));
                    }
                    Type::Bf16 => {
                        out.extend(block.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()));
                    }
                    Type::Q8_0 => q8_0(block, &mut out),
                    Type::Q4_0 => q4_0(block, &mut out),
                    Type::Q4_1 => q4_1(block, &mut out),
                }
            }
            out
        })
        .collect();
    parts.concat()
}

fn inverse(d: f32) -> f32 {
    match d == 0.0 {
        true => 0.0,
        false => 1.0 / d,
    }
}

fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0f32, |m, x| m.max(x.abs()));
    let d = largest / 127.0;
    let id = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(
        block
            .iter()
            .map(|x| ((x * id).round() as i8).cast_unsigned()),
    );
}

fn q4_0(block: &[f32], out: &mut Vec<u8>) {
    let mut largest = 0f32;
    for x in block {
        if x.abs() > largest.abs() {
            largest = *x;
        }
    }
    let d = largest / -8.0;
    let id = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    // The reference multiplies and adds in one rounding.
    let number = |x: f32| ((f64::from(x) * f64::from(id) + 8.5) as f32).clamp(0.0, 15.0) as u8;
    nibbles(block, out, number);
}

fn q4_1(block: &[f32], out: &mut Vec<u8>) {
    let low = block.iter().fold(f32::INFINITY, |m, x| m.min(*x));
    let high = block.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
    let d = (high - low) / 15.0;
    let id = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(f16::from_f32(low).to_le_bytes());
    nibbles(block, out, |x| {
        ((x - low) * id + 0.5).clamp(0.0, 15.0) as u8
    });
}

/// The first half of a block in the lower four bits, the second in the upper.
fn nibbles(block: &[f32], out: &mut Vec<u8>, number: impl Fn(f32) -> u8) {
    let (first, second) = block.split_at(block.len() / 2);
    out.extend(
        first
            .iter()
            .zip(second)
            .map(|(a, b)| number(*a) | number(*b) << 4),
    );
}
