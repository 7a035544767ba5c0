//! Causal attention from joined heads to joined heads.
//!
//! Tests: `mlx-models --test language`.

use super::linear::Joined;
use super::{KvCache, Rope, Segments};
use crate::__private::ops::{scaled_dot_product_attention, Mask};
use crate::kernels::attention::{self, causal, joined_heads, Heads, Turn};
use crate::{context, ops, Array, Error, ErrorKind, Result};

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
    attention(rope, [q, k, v], None, head_dim, scale, None, cache)
}

/// [`rope_attention`], where each query sees no more keys than the `window` has. `whole` holds queries, keys and values side
/// by side, if they are its parts.
///
/// # Errors
/// As [`rope_attention`].
pub fn attention(
    rope: &Rope,
    [q, k, v]: [&Array; 3],
    whole: Option<&Array>,
    head_dim: i32,
    scale: Option<f32>,
    window: Option<i32>,
    cache: &mut KvCache,
) -> Result<Array> {
    let scale = scale.unwrap_or_else(|| 1.0 / (head_dim.max(1) as f32).sqrt());
    let length = q.dim(-2)?;
    // A window that holds every key hides nothing.
    let keys = length.saturating_add(cache.offset());
    let window = window.filter(|n| *n < keys);
    // The kernels rotate whole heads.
    let packed = context::segments().is_some();
    if rope.only_rotates(head_dim) && !cache.is_on() && window.is_none() && !packed {
        let turn = Turn {
            head_dim,
            traditional: rope.traditional(),
        };
        if let Some(y) = attention::rotated([q, k, v], || rope.frequencies(length), turn, scale)? {
            return Ok(y);
        }
        if let Some(whole) = whole {
            let widths = [q.dim(-1)?, k.dim(-1)?, v.dim(-1)?];
            let whole = || Some(Ok(whole.clone()));
            if let Some(y) = by_one_kernel(whole, widths, rope, head_dim, scale) {
                return y;
            }
        }
    }
    // Attention on views of one joined matmul gives NaN gradients on CUDA: heads are copied so that
    // each row is whole (`contiguous` costs nothing where it is so already).
    let q = rope.forward(&heads(q, head_dim)?, cache)?;
    let k = rope.forward(&heads(k, head_dim)?, cache)?;
    let [k, v] = cache.update(&k, &heads(v, head_dim)?)?;
    let attend = |mask| scaled_dot_product_attention(&q, &k, &v, mask, Some(scale), None);
    let y = match window {
        None if packed => attend(Mask::Causal)?,
        None => causal(&q, &k, &v, scale)?,
        Some(n) => attend(Mask::Sliding(n))?,
    };
    joined_heads(&y)
}

/// `attention` of joined projections.
///
/// # Errors
/// As [`rope_attention`].
pub fn joined_attention(
    joined: &Joined<'_, 3>,
    rope: &Rope,
    head_dim: i32,
    scale: Option<f32>,
    window: Option<i32>,
    cache: &mut KvCache,
) -> Result<Array> {
    let seen = |x: &Array| {
        x.dim(-2)
            .is_ok_and(|length| window.is_none_or(|n| n >= length))
    };
    if rope.only_rotates(head_dim) && !cache.is_on() && seen(joined.input()) {
        let own = scale.unwrap_or_else(|| 1.0 / (head_dim.max(1) as f32).sqrt());
        if let Some(y) = by_one_kernel(|| joined.whole(), joined.widths(), rope, head_dim, own) {
            return y;
        }
    }
    let [q, k, v] = joined.parts()?;
    attention(rope, [&q, &k, &v], None, head_dim, scale, window, cache)
}

/// Heads cut and rotated by one kernel, of queries, keys and values side by side; `None` where there is no such kernel.
fn by_one_kernel(
    whole: impl FnOnce() -> Option<Result<Array>>,
    [q, k, v]: [i32; 3],
    rope: &Rope,
    head_dim: i32,
    scale: f32,
) -> Option<Result<Array>> {
    let fits = [q, k, v].iter().all(|n| n % head_dim.max(1) == 0) && k == v && head_dim > 0;
    if !fits {
        return None;
    }
    let y = match whole()? {
        Ok(y) => y,
        Err(e) => return Some(Err(e)),
    };
    let length = y.dim(1).ok()?;
    // Of several texts in a row, each has its own length.
    let segments = context::segments();
    let whole = segments.as_ref().map_or(length, Segments::longest);
    let freqs = &match rope.frequencies(whole).transpose()? {
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
    let mask = segments.as_ref().map(|s| s.mask(y.dtype()));
    attention::of_joined(&y, freqs, split, scale, mask)
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
