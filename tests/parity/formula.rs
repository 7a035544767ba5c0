//! Numbers that are the same here and in `reference.py`, bit for bit.

use mlx_runtime::{Array, Result};

/// `n` integers below 2^24: lowbias32 of the index, started from FNV-1a of the name.
pub fn hashed(name: &str, n: usize) -> Vec<u32> {
    let seed = name.bytes().fold(2_166_136_261u32, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(16_777_619)
    });
    (0..n as u32)
        .map(|i| {
            let mut x = i.wrapping_mul(0x9E37_79B9).wrapping_add(seed);
            x ^= x >> 16;
            x = x.wrapping_mul(0x7FEB_352D);
            x ^= x >> 15;
            x = x.wrapping_mul(0x846C_A68B);
            x ^= x >> 16;
            x >> 8
        })
        .collect()
}

/// Uniform in `[-limit, limit)`, about `around`; only the last product and sum round.
fn uniform(name: &str, shape: &[i32], limit: f64, around: f32) -> Result<Array> {
    let n: i32 = shape.iter().product();
    let width = (2.0 * limit) as f32;
    let values: Vec<f32> = hashed(name, n as usize)
        .into_iter()
        .map(|h| (h as f32 / 16_777_216.0 - 0.5) * width + around)
        .collect();
    Array::from_slice(&values, shape)
}

/// A model's tensor: matrices and tables of variance 1/inputs, norms about 1, biases about 0.
pub fn weight(name: &str, shape: &[i32]) -> Result<Array> {
    match *shape {
        [_, inputs] => uniform(name, shape, (3.0 / f64::from(inputs)).sqrt(), 0.0),
        _ if name.contains("norm") => uniform(name, shape, 0.25, 1.0),
        _ => uniform(name, shape, 0.25, 0.0),
    }
}

/// An adapter's tensor: `lora_a` (in, r) as mlx-lm bounds it, `lora_b` (r, out) within `b_limit`.
pub fn adapter(name: &str, shape: &[i32], b_limit: f64) -> Result<Array> {
    let limit = match name.ends_with("lora_a") {
        true => 1.0 / f64::from(shape[0]).sqrt(),
        false => b_limit,
    };
    uniform(name, shape, limit, 0.0)
}

#[test]
fn a_few_known_values() {
    // From reference.py: hashed("tokens", 3).
    assert_eq!(hashed("tokens", 3), [13_856_234, 1_608_075, 2_283_613]);
}
