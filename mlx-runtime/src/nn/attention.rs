//! Causal attention from joined heads to joined heads.
//!
//! Tests: `mlx-models --test language`.

use super::linear::Joined;
use super::{KvCache, Rope};
use crate::kernels::attention::{self, causal, joined_heads, Heads, Turn};
use crate::{ops, Array, Error, ErrorKind, Result};

/// `q [B, L, heads * D]`, `k` and `v` `[B, L, kv_heads * D]` -> `[B, L, heads * D]`: heads are split
/// off and rotated, keys and values go through the cache, each query attends to its own position
/// and those before (Vaswani et al. 2017; grouped heads: Ainslie et al. 2023). `scale` is
/// `1/sqrt(D)` unless given.
///
/// # Errors
/// If a last dim is not a multiple of `head_dim`.
pub fn rope_attention(
    rope: &Rope,
    q: &Array,
    k: &Array,
    v: &Array,
    head_dim: i32,
    scale: Option<f32>,
    cache: &mut KvCache,
) -> Result<Array> {
    let scale = scale.unwrap_or_else(|| 1.0 / (head_dim.max(1) as f32).sqrt());
    // The kernel rotates whole heads.
    if rope.only_rotates(head_dim) && !cache.is_on() {
        let turn = Turn {
            head_dim,
            traditional: rope.traditional(),
        };
        let freqs = || rope.frequencies(q.dim(-2)?);
        if let Some(y) = attention::rotated([q, k, v], freqs, turn, scale)? {
            return Ok(y);
        }
    }
    // Attention on views of one joined matmul gives NaN gradients on CUDA: heads are copied so that
    // each row is whole (`contiguous` costs nothing where it is so already).
    let q = rope.forward(&heads(q, head_dim)?, cache)?;
    let k = rope.forward(&heads(k, head_dim)?, cache)?;
    let [k, v] = cache.update(&k, &heads(v, head_dim)?)?;
    joined_heads(&causal(&q, &k, &v, scale)?)
}

/// [`rope_attention`] of joined projections.
///
/// # Errors
/// As [`rope_attention`].
pub fn joined_attention(
    joined: &Joined<'_, 3>,
    rope: &Rope,
    head_dim: i32,
    scale: Option<f32>,
    cache: &mut KvCache,
) -> Result<Array> {
    if let Some(y) = by_one_kernel(joined, rope, head_dim, scale, cache) {
        return y;
    }
    let [q, k, v] = joined.parts()?;
    rope_attention(rope, &q, &k, &v, head_dim, scale, cache)
}

/// Heads cut and rotated by one kernel, without a cache; `None` where there is no such kernel.
fn by_one_kernel(
    joined: &Joined<'_, 3>,
    rope: &Rope,
    head_dim: i32,
    scale: Option<f32>,
    cache: &KvCache,
) -> Option<Result<Array>> {
    if !rope.only_rotates(head_dim) || cache.is_on() {
        return None;
    }
    let [q, k, v] = joined.widths();
    let fits = [q, k, v].iter().all(|n| n % head_dim.max(1) == 0) && k == v && head_dim > 0;
    if !fits {
        return None;
    }
    let y = match joined.whole()? {
        Ok(y) => y,
        Err(e) => return Some(Err(e)),
    };
    let length = y.dim(1).ok()?;
    let freqs = &match rope.frequencies(length).transpose()? {
        Ok(freqs) => freqs,
        Err(e) => return Some(Err(e)),
    };
    let split = Heads {
        heads: q / head_dim,
        kv_heads: k / head_dim,
        size: head_dim,
        traditional: rope.traditional(),
        padded: length,
    };
    let scale = scale.unwrap_or_else(|| 1.0 / (head_dim as f32).sqrt());
    attention::of_joined(&y, freqs, split, scale)
}

/// `[B, L, heads * D] -> [B, heads, L, D]`.
fn heads(x: &Array, head_dim: i32) -> Result<Array> {
    crate::array::check_inputs([x])?;
    let [batch, length, width] = *x.shape() else {
        return Err(Error::new(
            ErrorKind::Shape,
            format!(
                "expected [batch, length, heads * head size], found {:?}",
                x.shape()
            ),
        ));
    };
    let x = ops::contiguous(x, false)?;
    let x = ops::reshape(&x, &[batch, length, width / head_dim.max(1), head_dim])?;
    ops::transpose(&x, &[0, 2, 1, 3])
}
