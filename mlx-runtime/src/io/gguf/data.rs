//! Decodes the data of a GGUF file's tensors, as MLX represents them.
//!
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md> defines the layouts of blocks. The triples of quantised
//! tensors are the same as those of MLX's own reader. That reader maps the file, which ends the process if the file
//! shrinks while it is read.
//!
//! Tests: unit tests below.

use std::collections::HashMap;

use half::{bf16, f16};

use super::read::{Header, Tensor};
use super::OP;
use crate::io::pipe::Opened;
use crate::{Array, Element, Error, ErrorKind, Result};

/// All tensors by name, including the parts of quantised ones.
pub(super) fn arrays(file: &Opened, header: &Header) -> Result<HashMap<String, Array>> {
    let mut arrays = HashMap::new();
    for tensor in &header.tensors {
        let mut bytes = vec![0; tensor.bytes];
        file.fill(&mut bytes, header.data + tensor.offset)
            .map_err(|e| Error::from(e).with_op(OP))?;
        for (name, array) in of(tensor, &bytes)? {
            if arrays.contains_key(&name) {
                let text =
                    format!("duplicate tensor {name:?}: the file has two that get this name");
                return Err(Error::new(ErrorKind::Format, text).with_op(OP));
            }
            arrays.insert(name, array);
        }
    }
    Ok(arrays)
}

/// The arrays that stand for a tensor.
fn of(tensor: &Tensor, bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let shape = &tensor.shape;
    let array = match tensor.kind {
        0 => numbers(bytes, shape, f32::from_le_bytes),
        1 => numbers(bytes, shape, f16::from_le_bytes),
        24 => numbers(bytes, shape, i8::from_le_bytes),
        25 => numbers(bytes, shape, i16::from_le_bytes),
        26 => numbers(bytes, shape, i32::from_le_bytes),
        30 => numbers(bytes, shape, bf16::from_le_bytes),
        2 | 3 | 8 => return packed(tensor, bytes),
        10 => values(bytes, shape, 84, q2_k),
        12 => values(bytes, shape, 144, q4_k),
        _ => values(bytes, shape, 210, q6_k),
    };
    Ok(vec![(tensor.name.clone(), array?)])
}

fn numbers<T: Element, const N: usize>(
    bytes: &[u8],
    shape: &[i32],
    number: fn([u8; N]) -> T,
) -> Result<Array> {
    let (all, _) = bytes.as_chunks::<N>();
    Array::from_vec(all.iter().map(|b| number(*b)).collect(), shape)
}

fn half_at(block: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([block[at], block[at + 1]])
}

/// Blocks of 32: `weight` in words of 32 bits, `scales` and `biases`.
fn packed(tensor: &Tensor, bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    // The bytes of a block, those before its weights, and the weights in a word.
    let (size, head, in_word) = match tensor.kind {
        2 => (18, 2, 8),
        3 => (20, 4, 8),
        _ => (34, 2, 4),
    };
    let blocks = bytes.chunks_exact(size);
    let (mut words, mut scales, mut biases) = (Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        let scale = half_at(block, 0);
        scales.push(scale);
        biases.push(match tensor.kind {
            2 => f16::from_f32(-8.0 * scale.to_f32()),
            3 => half_at(block, 2),
            _ => f16::from_f32(-128.0 * scale.to_f32()),
        });
        let data = &block[head..];
        if tensor.kind == 8 {
            // Signed numbers, counted from -128.
            words.extend(
                data.as_chunks()
                    .0
                    .iter()
                    .map(|b| u32::from_le_bytes(*b) ^ 0x8080_8080),
            );
        } else {
            for shift in [0, 4] {
                for eight in data.chunks_exact(8) {
                    let word = eight.iter().enumerate();
                    words.push(word.fold(0, |w, (i, b)| w | u32::from(b >> shift & 15) << (4 * i)));
                }
            }
        }
    }
    let last = |by: i32| {
        let mut shape = tensor.shape.clone();
        if let Some(n) = shape.last_mut() {
            *n /= by;
        }
        shape
    };
    let stem = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
    Ok(vec![
        (tensor.name.clone(), Array::from_vec(words, &last(in_word))?),
        (
            format!("{stem}.scales"),
            Array::from_vec(scales, &last(32))?,
        ),
        (
            format!("{stem}.biases"),
            Array::from_vec(biases, &last(32))?,
        ),
    ])
}

/// Blocks of 256 by value.
fn values(
    bytes: &[u8],
    shape: &[i32],
    size: usize,
    values: fn(&[u8], &mut [f32; 256]),
) -> Result<Array> {
    let mut all = Vec::with_capacity(bytes.len() / size * 256);
    let mut block = [0.0; 256];
    for b in bytes.chunks_exact(size) {
        values(b, &mut block);
        all.extend(block.map(f16::from_f32));
    }
    Array::from_vec(all, shape)
}

/// 16 parts: a scale and a minimum of 4 bits each, then numbers of 2 bits, then the factors of scales and minima.
fn q2_k(b: &[u8], out: &mut [f32; 256]) {
    let (scale, min) = (half_at(b, 80).to_f32(), half_at(b, 82).to_f32());
    for (i, value) in out.iter_mut().enumerate() {
        let both = b[i / 16];
        let number = b[16 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
        *value = scale * f32::from(both & 15) * f32::from(number) - min * f32::from(both >> 4);
    }
}

/// 8 parts: the factors of scales and minima, both of 6 bits each in 12 bytes, then numbers of 4 bits.
fn q4_k(b: &[u8], out: &mut [f32; 256]) {
    let (scale, min) = (half_at(b, 0).to_f32(), half_at(b, 2).to_f32());
    let six = &b[4..16];
    for (i, value) in out.iter_mut().enumerate() {
        let part = i / 32;
        let (s, m) = if part < 4 {
            (six[part] & 63, six[part + 4] & 63)
        } else {
            (
                six[part + 4] & 15 | six[part - 4] >> 6 << 4,
                six[part + 4] >> 4 | six[part] >> 6 << 4,
            )
        };
        let number = b[16 + i / 64 * 32 + i % 32] >> (part % 2 * 4) & 15;
        *value = f32::from(number) * (f32::from(s) * scale) - f32::from(m) * min;
    }
}

/// 16 parts: the lower 4 bits of each number, the upper 2, scales, and their factor.
fn q6_k(b: &[u8], out: &mut [f32; 256]) {
    let scale = half_at(b, 208).to_f32();
    for (i, value) in out.iter_mut().enumerate() {
        let (half, j) = (i / 128, i % 128);
        let low = b[64 * half + j % 64] >> (j / 64 * 4) & 15;
        let high = b[128 + 32 * half + j % 32] >> (j / 32 * 2) & 3;
        let number = i16::from(low | high << 4) - 32;
        let part = b[192 + i / 16].cast_signed();
        *value = scale * f32::from(part) * f32::from(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::check;
    use crate::io::gguf::read::TYPES;
    use mlx_sys as sys;

    /// A file with a tensor of each type, `[2, 512]` of random bytes.
    fn file() -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((TYPES.len() as u64).to_le_bytes());
        out.extend(0u64.to_le_bytes());
        let mut data = Vec::new();
        for t in TYPES {
            let name = format!("{}.weight", t.1);
            out.extend((name.len() as u64).to_le_bytes());
            out.extend(name.as_bytes());
            out.extend(2u32.to_le_bytes());
            out.extend([512u64, 2].iter().flat_map(|d| d.to_le_bytes()));
            out.extend(t.0.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            let bytes = (1024 / t.2 * t.3) as usize;
            let mut tensor: Vec<u8> = (0..bytes).map(|_| random()).collect();
            // Scales are numbers of moderate size, and the values of the bfloat16s, too.
            let halves: &[usize] = match t.0 {
                2 | 8 => &[0],
                3 | 12 => &[0, 2],
                10 => &[80, 82],
                14 => &[208],
                30 => &[0],
                _ => &[],
            };
            for block in tensor.chunks_exact_mut(t.3 as usize) {
                for &at in halves {
                    let exponent = if t.0 == 30 { 0x3f } else { 0x30 };
                    block[at + 1] = exponent | block[at + 1] & 0x83;
                }
            }
            data.extend(tensor);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    /// The tensor as MLX's reader returns it.
    fn of_mlx(path: &std::path::Path, name: &str) -> Array {
        let path = crate::io::c_path(OP, path).unwrap();
        let name = crate::handles::c_string(OP, name).unwrap();
        let mut file = sys::mlx_io_gguf {
            ctx: std::ptr::null_mut(),
        };
        let mut out = sys::mlx_array {
            ctx: std::ptr::null_mut(),
        };
        // SAFETY: path, name and stream are valid, the destinations null; the file is a good one.
        unsafe {
            let s = crate::stream::current().unwrap();
            check(OP, sys::mlx_load_gguf(&mut file, path.as_ptr(), s)).unwrap();
            check(
                OP,
                sys::mlx_io_gguf_get_array(&mut out, file, name.as_ptr()),
            )
            .unwrap();
            sys::mlx_io_gguf_free(file);
        }
        Array::from_handle(out, OP).unwrap()
    }

    #[test]
    fn every_type_is_read_as_mlx_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gguf");
        std::fs::write(&path, file()).unwrap();
        let read = crate::io::load_gguf(&path).unwrap();
        assert_eq!(read.arrays.len(), TYPES.len() + 2 * 3);
        for (name, a) in &read.arrays {
            let mut b = of_mlx(&path, name);
            if name == "BF16.weight" {
                // MLX makes a float16 of it, which does not hold every bfloat16.
                b = crate::ops::astype(&b, crate::Dtype::Bfloat16).unwrap();
            }
            assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
            if name == "Q4_K.weight" {
                // MLX gets half of them wrong; see `blocks_of_256_have_the_values_of_llama_cpp`.
                continue;
            }
            assert!(a.bytes().unwrap() == b.bytes().unwrap(), "{name}");
        }
    }
}
