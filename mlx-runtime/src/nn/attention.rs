//! Causal attention from joined heads to joined heads.

use super::{KvCache, Rope};
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
    let y = ops::transpose(&y, &[0, 2, 1, 3])?;
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
