//! Causal attention (Vaswani et al. 2017), with the rotation of queries and keys in front where a kernel does both.
//!
//! Tests: `tests/fused_kernels.rs`, `mlx-models --test native_kernels`, unit tests below.

pub mod cpu;
mod heads;
mod short;

use super::select;
use crate::ops::fast::{scaled_dot_product_attention, Mask};
use crate::{ops, transforms, Array, Result};

pub(crate) use heads::Heads;

/// The rotation of a head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Values of a head.
    pub head_dim: i32,
    /// True if neighbouring values are rotated as a pair, false if those half a head apart are.
    pub traditional: bool,
}

/// Queries `[B, L, H * D]`, keys and values `[B, L, K * D]`, the first two rotated by the angles per position that `freqs`
/// returns, and causal attention: `[B, L, H * D]`. `None` unless one kernel does both.
///
/// # Errors
/// If the shapes do not fit together.
pub(crate) fn rotated(
    [q, k, v]: [&Array; 3],
    freqs: impl FnOnce() -> Result<Option<Array>>,
    turn: Turn,
    scale: f32,
) -> Result<Option<Array>> {
    if !select::on_cpu(q) {
        return Ok(None);
    }
    let Some(freqs) = freqs()? else {
        return Ok(None);
    };
    cpu::rope_attention(q, k, v, &freqs, turn.head_dim, turn.traditional, scale, 0).map(Some)
}

/// [`rotated`] of joined projections `y [B, L, (heads + 2 * kv_heads) * size]` and angles per position `freqs [size / 2]`.
/// `None` unless a kernel cuts the heads. With a `mask` for the scores it decides which keys are seen, in place of their order.
pub(crate) fn of_joined(
    y: &Array,
    freqs: &Array,
    cut: Heads,
    scale: f32,
    mask: Option<&Array>,
) -> Option<Result<Array>> {
    if !select::on_cuda(y) {
        return None;
    }
    let length = y.dim(1).ok()?;
    let cut = Heads {
        padded: mask.map_or_else(|| padded(y, length), |_| length),
        ..cut
    };
    if mask.is_none() {
        if let Some(y) = short::short_attention(y, freqs, cut, scale) {
            return Some(y);
        }
    }
    let parts = heads::split_heads(y, freqs, cut)?;
    Some(parts.and_then(|[q, k, v]| {
        let mask = mask.map_or(Mask::Causal, Mask::Array);
        let y = scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?;
        first(&joined_heads(&y)?, 1, length)
    }))
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
    first(&attend(&pad(q)?, &pad(k)?, &pad(v)?)?, 2, length)
}

/// The length to which zeros are appended to sequences of queries, keys and values, where that makes
/// causal attention faster: cuDNN's gradients, which MLX takes for half floats, are of whole tiles.
/// The rows before the zeros do not see them, and the results of the zeros are cut off.
fn padded(q: &Array, length: i32) -> i32 {
    const TILE: i32 = 128;
    let tiles =
        transforms::is_differentiating() && select::is_half(q.dtype()) && select::on_cuda(q);
    match tiles {
        true => length.saturating_add(TILE - 1) / TILE * TILE,
        false => length,
    }
}

/// The first part of an axis.
fn first(y: &Array, axis: usize, length: i32) -> Result<Array> {
    let mut stop = y.shape().to_vec();
    if stop[axis] == length {
        return Ok(y.clone());
    }
    stop[axis] = length;
    ops::slice(y, &vec![0; stop.len()], &stop, &vec![1; stop.len()])
}

/// `x` with its rows whole in memory where rotations and attention need that. Costs nothing where they are whole already.
pub(crate) fn whole(x: &Array) -> Result<Array> {
    match select::attends_with_cuda()? {
        true => ops::contiguous(x, false),
        false => Ok(x.clone()),
    }
}

/// `[B, heads, L, D] -> [B, L, heads * D]`.
pub(crate) fn joined_heads(y: &Array) -> Result<Array> {
    let y = ops::transpose(y, &[0, 2, 1, 3])?;
    let (batch, length) = (y.dim(0)?, y.dim(1)?);
    ops::reshape(&y, &[batch, length, -1])
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
