//! Causal attention from joined heads to joined heads.

use super::linear::Joined;
use super::{KvCache, Rope};
use crate::cuda::{self, Heads};
use crate::device::{self, DeviceType};
use crate::ops::fast::{scaled_dot_product_attention, Mask};
use crate::{fused, ops, transforms, Array, Error, ErrorKind, Result};

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
    if rope.only_rotates(head_dim) && !cache.is_on() && fused::available(q) {
        if let Some(freqs) = rope.frequencies(q.dim(-2)?)? {
            return fused::rope_attention(q, k, v, &freqs, head_dim, rope.traditional(), scale, 0);
        }
    }
    // Attention on views of one joined matmul gives NaN gradients on CUDA: heads are copied so that
    // each row is whole (`contiguous` costs nothing where it is so already).
    let q = rope.forward(&heads(q, head_dim)?, cache)?;
    let k = rope.forward(&heads(k, head_dim)?, cache)?;
    let [k, v] = cache.update(&k, &heads(v, head_dim)?)?;
    joined_heads(&causal(&q, &k, &v, scale)?)
}

/// Causal attention of heads, `q [B, H, L, D]`, `k` and `v` `[B, K, S, D]` -> `[B, H, L, D]`.
pub(crate) fn causal(q: &Array, k: &Array, v: &Array, scale: f32) -> Result<Array> {
    causal_padded(q, k, v, scale, padded(q, q.dim(2)?))
}

fn causal_padded(q: &Array, k: &Array, v: &Array, scale: f32, padded: i32) -> Result<Array> {
    let length = q.dim(2)?;
    let attend = |q: &Array, k: &Array, v: &Array| {
        scaled_dot_product_attention(q, k, v, scale, Mask::Causal, None)
    };
    if padded == length || k.dim(2)? != length {
        return attend(q, k, v);
    }
    let zero = ops::zeros(&[], q.dtype())?;
    let more = [(0, 0), (0, 0), (0, padded - length), (0, 0)];
    let pad = |a: &Array| ops::pad(a, &more, &zero);
    cut(&attend(&pad(q)?, &pad(k)?, &pad(v)?)?, 2, length)
}

/// The length to which zeros are appended to sequences of queries, keys and values, where that makes
/// causal attention faster: cuDNN's gradients, which MLX takes for half floats, are of whole tiles.
/// The rows before the zeros do not see them, and the results of the zeros are cut off.
fn padded(q: &Array, length: i32) -> i32 {
    const TILE: i32 = 128;
    let tiles = transforms::is_differentiating() && q.dtype().size() == 2 && cuda::available(q);
    match tiles {
        true => length.saturating_add(TILE - 1) / TILE * TILE,
        false => length,
    }
}

/// The first part of an axis.
fn cut(y: &Array, axis: usize, length: i32) -> Result<Array> {
    let mut stop = y.shape().to_vec();
    if stop[axis] == length {
        return Ok(y.clone());
    }
    stop[axis] = length;
    ops::slice(y, &vec![0; stop.len()], &stop, &vec![1; stop.len()])
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
        padded: padded(&y, length),
    };
    let scale = scale.unwrap_or_else(|| 1.0 / (head_dim as f32).sqrt());
    if let Some(y) = cuda::short_attention(&y, freqs, split, scale) {
        return Some(y);
    }
    let parts = cuda::split_heads(&y, freqs, split)?;
    Some(parts.and_then(|[q, k, v]| {
        let y = scaled_dot_product_attention(&q, &k, &v, scale, Mask::Causal, None)?;
        cut(&joined_heads(&y)?, 1, length)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random, Dtype};

    #[test]
    fn zeros_behind_sequences_change_neither_values_nor_gradients() {
        let draw = |heads: i32, seed: u64| {
            let key = random::key(seed).unwrap();
            random::normal(&[2, heads, 37, 16], Dtype::Float32, 0.0, 1.0, Some(&key)).unwrap()
        };
        let (inputs, by) = ([draw(4, 1), draw(2, 2), draw(2, 3)], draw(4, 4));
        let with = |padded: i32| {
            let attend = move |x: &[Array]| {
                let y = causal_padded(&x[0], &x[1], &x[2], 0.25, padded)?;
                assert_eq!(y.shape(), [2, 4, 37, 16]);
                Ok(vec![y])
            };
            let (y, grads) = transforms::vjp(attend, &inputs, std::slice::from_ref(&by)).unwrap();
            y.into_iter().chain(grads).collect::<Vec<_>>()
        };
        for (a, b) in with(37).iter().zip(&with(64)) {
            assert!(ops::allclose(a, b, 1e-5, 1e-5, false)
                .and_then(|a| a.item::<bool>())
                .unwrap());
        }
    }
}
