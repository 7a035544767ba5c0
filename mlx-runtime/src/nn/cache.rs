//! The keys and values of tokens that a model has seen.
//!
//! Tests: `mlx-tests --test models`.

use crate::{ops, Array, Error, ErrorKind, Result};

/// Keys and values `[B, kv_heads, S, head_dim]` for each layer, so that a token that follows costs
/// one position instead of all.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    layers: Vec<Option<Layer>>,
    at: usize,
    on: bool,
    /// The most tokens that stay, and how many of the first are among them.
    limit: Option<(i32, i32)>,
    /// The length of a text from which on its keys are rotated in another way.
    changes_at: Option<i32>,
}

/// One layer's part.
#[derive(Clone, Debug)]
struct Layer {
    keys: Array,
    values: Array,
    /// Tokens that passed; more than there are keys if some were dropped.
    seen: i32,
}

impl KvCache {
    /// An empty cache that fills as tokens pass.
    pub fn new() -> Self {
        KvCache {
            on: true,
            ..Self::default()
        }
    }

    /// As [`KvCache::new`], with room for `size` tokens: of a longer text, the first `keep` tokens and the last ones stay,
    /// as in mlx-lm's `RotatingKVCache`. Tokens that are given together see up to `size - 1` tokens before them.
    ///
    /// # Errors
    /// If `size` is not above `keep`.
    pub fn with_limit(size: i32, keep: i32) -> Result<Self> {
        if keep < 0 || size <= keep {
            let text = format!("expected room for more than {keep} tokens, found {size}");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(KvCache {
            limit: Some((size, keep)),
            ..Self::new()
        })
    }

    /// A cache that keeps nothing: for training, and for scoring whole texts.
    pub fn off() -> Self {
        Self::default()
    }

    /// True if it keeps anything.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The number of tokens before, in the layer that runs now.
    pub fn offset(&self) -> i32 {
        match self.layers.get(self.at) {
            Some(Some(layer)) => layer.seen,
            _ => 0,
        }
    }

    /// Forgets all tokens but the first `length`. False, and nothing is changed, if tokens among those were dropped.
    ///
    /// # Errors
    /// If MLX fails.
    pub fn truncate(&mut self, length: i32) -> Result<bool> {
        let whole = |layer: &Layer| layer.keys.shape().get(2) == Some(&layer.seen);
        if !self.layers.iter().flatten().all(whole) || length < 0 {
            return Ok(false);
        }
        for layer in self.layers.iter_mut().flatten().filter(|l| l.seen > length) {
            layer.keys = span(&layer.keys, 0, length)?;
            layer.values = span(&layer.values, 0, length)?;
            layer.seen = length;
        }
        Ok(true)
    }

    /// The arrays it holds, to evaluate them with a step's result.
    pub fn arrays(&self) -> Vec<&Array> {
        self.layers
            .iter()
            .flatten()
            .flat_map(|layer| [&layer.keys, &layer.values])
            .collect()
    }

    /// True if `more` tokens take the text past a length from which on its keys are rotated in another way
    /// ([`super::RopeScaling::LongRope`]): the whole text must then be given again, with an empty cache.
    pub fn outgrown_by(&self, more: i32) -> bool {
        let before = self
            .layers
            .iter()
            .flatten()
            .map(|l| l.seen)
            .max()
            .unwrap_or(0);
        let passes = |at: i32| before > 0 && before <= at && before.saturating_add(more) > at;
        self.changes_at.is_some_and(passes)
    }

    pub(super) fn set_changes_at(&mut self, length: i32) {
        self.changes_at = Some(length);
    }

    /// Says which layer runs next.
    pub(crate) fn enter(&mut self, layer: usize) {
        self.at = layer;
    }

    /// Puts the cached keys and values in front of the new ones.
    ///
    /// # Errors
    /// If the tokens before had another batch size.
    pub fn update(&mut self, keys: &Array, values: &Array) -> Result<[Array; 2]> {
        if !self.on {
            return Ok([keys.clone(), values.clone()]);
        }
        if self.layers.len() <= self.at {
            self.layers.resize(self.at + 1, None);
        }
        let limit = self.limit;
        let slot = &mut self.layers[self.at];
        let new = keys.shape().get(2).copied().unwrap_or(0);
        let (keys, values, seen) = match slot {
            None => (keys.clone(), values.clone(), new),
            Some(before) => {
                if before.keys.shape().first() != keys.shape().first() {
                    let text = format!(
                        "expected new keys for a cache of {:?}, found {:?}",
                        before.keys.shape(),
                        keys.shape()
                    );
                    return Err(Error::new(ErrorKind::Shape, text));
                }
                (
                    ops::concatenate(&[&kept(&before.keys, limit)?, keys], 2)?,
                    ops::concatenate(&[&kept(&before.values, limit)?, values], 2)?,
                    before.seen.saturating_add(new),
                )
            }
        };
        *slot = Some(Layer {
            keys: keys.clone(),
            values: values.clone(),
            seen,
        });
        Ok([keys, values])
    }
}

/// The tokens that stay before others come: one fewer than there is room for.
fn kept(all: &Array, limit: Option<(i32, i32)>) -> Result<Array> {
    let length = all.shape().get(2).copied().unwrap_or(0);
    match limit {
        Some((size, keep)) if length >= size => {
            let (first, last) = (span(all, 0, keep)?, length - (size - 1 - keep));
            ops::concatenate(&[&first, &span(all, last, length)?], 2)
        }
        _ => Ok(all.clone()),
    }
}

/// Some positions of keys or values.
fn span(all: &Array, from: i32, to: i32) -> Result<Array> {
    let mut start = vec![0; all.ndim()];
    let mut stop = all.shape().to_vec();
    if let (Some(start), Some(stop)) = (start.get_mut(2), stop.get_mut(2)) {
        (*start, *stop) = (from, to.min(*stop));
    }
    ops::slice(all, &start, &stop, &vec![1; all.ndim()])
}
