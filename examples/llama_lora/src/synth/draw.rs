//! The values of a tensor of random weights. The rule is in terms of MLX's own generator, so that its Python package makes the same:
//!
//! - the seed of a tensor is the run's seed plus the FNV-1a hash (64 bits) of its name, modulo 2^64;
//! - a matrix is `mx.random.normal(shape, dtype, scale=0.02, key=mx.random.key(seed))`; one of more than 2^25 values is
//!   drawn in blocks of as many rows as have 2^25 values, block `i` from `mx.random.key(seed + i)`;
//! - norms are one, biases zero;
//! - `lora_a` is `mx.random.uniform(-l, l, shape, mx.float32, mx.random.key(seed))` with `l = 1 / sqrt(inputs)`, `lora_b` zero;
//! - a batch is `mx.random.randint(0, vocabulary, [rows, tokens + 1], key=mx.random.key(seed))`, of the name `batch.N`.
//!
//! Tests: `tests/synth.rs`.

use mlx_runtime::random::{self, Key};
use mlx_runtime::{ops, Array, Dtype, Result};

/// The standard deviation of the values of a matrix.
pub const DEVIATION: f32 = 0.02;
/// The most values that are drawn in one piece: MLX needs three times their room in float32 for it.
pub const BLOCK: i64 = 1 << 25;

/// The seed of the tensor `name` in a run of `seed`.
pub fn seed_of(seed: u64, name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash.wrapping_add(seed)
}

/// Normally distributed values, lazily.
pub fn normal(name: &str, shape: &[i32], dtype: Dtype, seed: u64) -> Result<Array> {
    let start = seed_of(seed, name);
    let draw = |shape: &[i32], i: u64| {
        let key = Key::new(start.wrapping_add(i))?;
        random::normal(shape, dtype, 0.0, DEVIATION, Some(&key))
    };
    let rows = shape.first().copied().unwrap_or(1).max(1);
    let values: i64 = shape.iter().map(|&n| i64::from(n)).product();
    if values <= BLOCK {
        return draw(shape, 0);
    }
    let row = (values / i64::from(rows)).max(1);
    let most = i32::try_from((BLOCK / row).max(1)).unwrap_or(rows);
    let mut blocks = Vec::new();
    let (mut at, mut i) = (0, 0);
    while at < rows {
        let mut block = shape.to_vec();
        block[0] = most.min(rows - at);
        blocks.push(draw(&block, i)?);
        (at, i) = (at + block[0], i + 1);
    }
    ops::concatenate(&blocks.iter().collect::<Vec<_>>(), 0)
}

/// The first value of the tensor `name` of an adapter, `[in, rank]` or `[rank, out]`.
pub fn adapter(name: &str, shape: &[i32], seed: u64) -> Result<Array> {
    if !name.ends_with(".lora_a") {
        return ops::zeros(shape, Dtype::Float32);
    }
    let inputs = shape.first().copied().unwrap_or(1).max(1);
    let limit = 1.0 / (inputs as f32).sqrt();
    let (low, high) = (Array::scalar(-limit)?, Array::scalar(limit)?);
    let key = Key::new(seed_of(seed, name))?;
    random::uniform(&low, &high, shape, Dtype::Float32, Some(&key))
}

/// Ids below `vocabulary`, `[rows, tokens]`.
pub fn ids(name: &str, rows: i32, tokens: i32, vocabulary: i32, seed: u64) -> Result<Array> {
    let (low, high) = (Array::scalar(0i32)?, Array::scalar(vocabulary)?);
    let key = Key::new(seed_of(seed, name))?;
    random::randint(&low, &high, &[rows, tokens], Dtype::Int32, Some(&key))
}
