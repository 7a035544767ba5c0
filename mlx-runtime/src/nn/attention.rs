//! Causal attention from joined heads to joined heads.

use super::linear::Joined;
use super::{KvCache, Rope};
use crate::cuda::{self, Heads};
use crate::device::{self, DeviceType};
use crate::ops::fast::{scaled_dot_product_attention, Mask};
use crate::{fused, ops, Array, Error, ErrorKind, Result};

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
    // The fused operation rotates whole heads.
    let freqs = rope
        .frequencies()
        .filter(|f| f.shape() == [head_dim / 2] && !cache.is_on() && fused::available(q));
    if let Some(freqs) = freqs {
        return fused::rope_attention(q, k, v, freqs, head_dim, rope.traditional(), scale, 0);
    }
    // Attention on views of one joined matmul gives NaN gradients on CUDA: heads are copied so that
    // each row is whole (`contiguous` costs nothing where it is so already).
    let q = rope.forward(&heads(q, head_dim)?, cache)?;
    let k = rope.forward(&heads(k, head_dim)?, cache)?;
    let [k, v] = cache.update(&k, &heads(v, head_dim)?)?;
    let y = scaled_dot_product_attention(&q, &k, &v, scale, Mask::Causal, None)?;
    joined_heads(&y)
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
    if let Some(y) = on_cuda(joined, rope, head_dim, scale, cache) {
        return y;
    }
    let [q, k, v] = joined.parts()?;
    rope_attention(rope, &q, &k, &v, head_dim, scale, cache)
}

/// Heads cut and rotated by one kernel, without a cache; `None` where there is no such kernel.
fn on_cuda(
    joined: &Joined<'_, 3>,
    rope: &Rope,
    head_dim: i32,
    scale: Option<f32>,
    cache: &KvCache,
) -> Option<Result<Array>> {
    let freqs = rope
        .frequencies()
        .filter(|f| f.shape() == [head_dim / 2] && !cache.is_on())?;
    let [q, k, v] = joined.widths();
    let fits = [q, k, v].iter().all(|n| n % head_dim.max(1) == 0) && k == v && head_dim > 0;
    if !fits {
        return None;
    }
    let y = match joined.whole()? {
        Ok(y) => y,
        Err(e) => return Some(Err(e)),
    };
    let cut = Heads {
        heads: q / head_dim,
        kv_heads: k / head_dim,
        size: head_dim,
        traditional: rope.traditional(),
    };
    let parts = cuda::split_heads(&y, freqs, cut)?;
    Some(parts.and_then(|[q, k, v]| {
        let scale = scale.unwrap_or_else(|| 1.0 / (head_dim as f32).sqrt());
        joined_heads(&scaled_dot_product_attention(
            &q,
            &k,
            &v,
            scale,
            Mask::Causal,
            None,
        )?)
    }))
}

/// `[B, heads, L, D] -> [B, L, heads * D]`.
fn joined_heads(y: &Array) -> Result<Array> {
    let y = ops::transpose(y, &[0, 2, 1, 3])?;
    let (batch, length) = (y.dim(0)?, y.dim(1)?);
    ops::reshape(&y, &[batch, length, -1])
}

/// `x` with its rows whole in memory where that matters: MLX's CUDA backend gives wrong gradients
/// for rotations and attention of views, such as the parts of one joined matmul. Costs nothing where
/// the rows are whole already.
pub(crate) fn whole(x: &Array) -> Result<Array> {
    match device::default_device()?.kind() {
        DeviceType::Cpu => Ok(x.clone()),
        DeviceType::Gpu => ops::contiguous(x, false),
    }
}

/// `[B, L, heads * D] -> [B, heads, L, D]`.
fn heads(x: &Array, head_dim: i32) -> Result<Array> {
    let [batch, length, width] = *x.shape() else {
        return Err(Error::new(
            ErrorKind::Shape,
            format!(
                "attention needs [batch, length, heads * head size], found {:?}",
                x.shape()
            ),
        ));
    };
    let x = ops::contiguous(x, false)?;
    let x = ops::reshape(&x, &[batch, length, width / head_dim.max(1), head_dim])?;
    ops::transpose(&x, &[0, 2, 1, 3])
}
