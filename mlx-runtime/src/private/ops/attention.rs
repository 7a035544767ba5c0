//! Attention, its masks, and positions.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

use crate::kernels::attention::{causal, whole};
use crate::kernels::rows;
use crate::nn::scalar::number;
use crate::nn::{KvCache, Segments};
use crate::ops::{self, fast, greater, greater_equal, logical_and, reshape, subtract, where_};
use crate::{context, Array, Dtype, Error, Result};

/// Which keys a query sees.
#[derive(Clone, Copy, Debug)]
pub enum Mask<'a> {
    /// All of them.
    None,
    /// Those at and before its own position; the last query aligns with the last key.
    Causal,
    /// As `Causal`, but no more than that many (Beltagy et al. 2020).
    Sliding(i32),
    /// Where a bool array is true, or with a floating-point array added to the scores.
    Array(&'a Array),
}

/// Attention; the scale is `1/sqrt(head size)` unless given. A sink is one more score for each
/// head, which leads nowhere (Xiao et al. 2023).
pub fn scaled_dot_product_attention(
    q: &Array,
    k: &Array,
    v: &Array,
    mask: Mask<'_>,
    scale: Option<f32>,
    sinks: Option<&Array>,
) -> Result<Array> {
    let scale = match scale {
        Some(s) => s,
        None => 1.0 / (q.dim(-1)?.max(1) as f32).sqrt(),
    };
    let own;
    let segments = context::segments();
    let mask = match mask {
        // Of several texts in a row, each is a row of its own.
        Mask::Causal | Mask::Sliding(_) | Mask::Array(_) if segments.is_some() => {
            own = within(segments.as_ref(), mask, [q, k])?;
            fast::Mask::Array(&own)
        }
        Mask::None => fast::Mask::None,
        Mask::Causal => fast::Mask::Causal,
        Mask::Array(a) => fast::Mask::Array(a),
        // A window that holds every key hides nothing more, and has a faster kernel.
        Mask::Sliding(n) if n >= k.dim(2)? => fast::Mask::Causal,
        Mask::Sliding(n) => {
            own = seen(q.dim(2)?, k.dim(2)?, Some(n))?;
            fast::Mask::Array(&own)
        }
    };
    let (q, k, v) = (whole(q)?, whole(k)?, whole(v)?);
    if let (fast::Mask::Causal, None) = (&mask, sinks) {
        return causal(&q, &k, &v, scale);
    }
    fast::scaled_dot_product_attention(&q, &k, &v, scale, mask, sinks)
}

/// The mask of queries and keys in rows of several texts.
fn within(segments: Option<&Segments>, mask: Mask<'_>, [q, k]: [&Array; 2]) -> Result<Array> {
    let (queries, keys) = (q.dim(2)?, k.dim(2)?);
    let Some(segments) = segments.filter(|s| s.fits(queries, keys)) else {
        let text = format!(
            "rows of several texts are attended to whole, found {queries} queries of {keys} keys"
        );
        return Err(Error::shape("scaled_dot_product_attention", text));
    };
    match mask {
        Mask::Sliding(n) if n < segments.longest() => {
            logical_and(&seen(queries, keys, Some(n))?, segments.visible())
        }
        Mask::Array(a) if a.dtype() == Dtype::Bool => logical_and(a, segments.visible()),
        Mask::Array(a) => ops::add(a, segments.mask(a.dtype())),
        _ => Ok(segments.mask(q.dtype()).clone()),
    }
}

/// `[L, S]`, true where a query of `q [B, H, L, D]` sees a key of `k [B, G, S, D]`, as [`causal_mask`].
pub fn visible_keys(q: &Array, k: &Array, window: Option<i32>) -> Result<Array> {
    seen(q.dim(2)?, k.dim(2)?, window)
}

/// `scores [.., L, S]` with those of keys that a query must not see replaced by the lowest finite
/// number: query `i` sits at position `S - L + i`, and sees itself and those before, `window` in
/// all if it is given.
pub fn causal_mask(scores: &Array, window: Option<i32>) -> Result<Array> {
    let mut seen = seen(scores.dim(-2)?, scores.dim(-1)?, window)?;
    if let Some(segments) = context::segments() {
        seen = logical_and(&seen, &segments.visible_in(scores.ndim())?)?;
    }
    let lowest = f64::from(rows::lowest(scores.dtype()));
    where_(&seen, scores, &number(lowest, scores)?)
}

/// True where each of `queries`, the last of which aligns with the last key, sees each of `keys`.
fn seen(queries: i32, keys: i32, window: Option<i32>) -> Result<Array> {
    if let Some(n) = window.filter(|n| *n < 1) {
        let text = format!("a window shows one key or more, found {n}");
        return Err(Error::invalid("causal_mask", text));
    }
    let places = |from: i32, n: i32| {
        ops::arange(
            f64::from(from),
            f64::from(from) + f64::from(n),
            1.0,
            Dtype::Int32,
        )
    };
    let rows = reshape(
        &places(keys.saturating_sub(queries), queries)?,
        &[queries, 1],
    )?;
    let columns = reshape(&places(0, keys)?, &[1, keys])?;
    let before = greater_equal(&rows, &columns)?;
    match window {
        None => Ok(before),
        Some(n) => {
            let near = greater(&Array::scalar(n)?, &subtract(&rows, &columns)?)?;
            logical_and(&before, &near)
        }
    }
}

/// Rotary positions from `offset` on, `[.., L, D] -> [.., L, D]`.
pub fn rope(
    a: &Array,
    dims: i32,
    traditional: bool,
    base: f32,
    scale: f32,
    offset: i32,
) -> Result<Array> {
    fast::rope(a, dims, traditional, Some(base), scale, offset, None)
}

/// `tokens [B, L, ..] -> [L]`: positions that follow those in the cache; `[B, L]` in rows of several texts.
pub fn positions(cache: &KvCache, tokens: &Array) -> Result<Array> {
    if let Some(segments) = context::segments() {
        return Ok(segments.positions().clone());
    }
    let from = f64::from(cache.offset());
    ops::arange(from, from + f64::from(tokens.dim(1)?), 1.0, Dtype::Int32)
}

/// `tokens [B, L, ..] -> [L, Past + L]`: the place of each key, of the cache and of the tokens, less that of each query.
pub fn distances(cache: &KvCache, tokens: &Array) -> Result<Array> {
    let (past, length) = (f64::from(cache.kept()), f64::from(tokens.dim(1)?));
    let keys = ops::arange(-past, length, 1.0, Dtype::Int32)?;
    let queries = ops::arange(0.0, length, 1.0, Dtype::Int32)?;
    ops::subtract(&keys, &ops::expand_dims(&queries, &[1])?)
}

/// A state of the cache; zeros before the first token.
pub fn state(cache: &KvCache, name: &'static str, shape: &[i32], dtype: Dtype) -> Result<Array> {
    cache.state(name, shape, dtype)
}

/// Sets a state of the cache.
pub fn set_state(cache: &mut KvCache, name: &'static str, value: &Array) {
    cache.set_state(name, value);
}
