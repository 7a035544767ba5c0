//! The keys and values of tokens that a model has seen.
//!
//! Tests: `mlx-tests --test models`.

use crate::{ops, Array, Error, ErrorKind, Result};

/// Keys and values `[B, kv_heads, S, head_dim]` for each layer, so that a token that follows costs
/// one position instead of all.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    layers: Vec<Option<(Array, Array)>>,
    at: usize,
    on: bool,
    /// The length of a text from which on its keys are rotated in another way.
    changes_at: Option<i32>,
}

impl KvCache {
    /// An empty cache that fills as tokens pass.
    pub fn new() -> Self {
        KvCache {
            on: true,
            ..Self::default()
        }
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
            Some(Some((k, _))) => k.shape().get(2).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// The arrays it holds, to evaluate them with a step's result.
    pub fn arrays(&self) -> Vec<&Array> {
        self.layers
            .iter()
            .flatten()
            .flat_map(|(k, v)| [k, v])
            .collect()
    }

    /// True if `more` tokens take the text past a length from which on its keys are rotated in another way
    /// ([`super::RopeScaling::LongRope`]): the whole text must then be given again, with an empty cache.
    pub fn outgrown_by(&self, more: i32) -> bool {
        let length = |(k, _): &(Array, Array)| k.shape().get(2).copied().unwrap_or(0);
        let before = self.layers.iter().flatten().map(length).max().unwrap_or(0);
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
        let slot = &mut self.layers[self.at];
        let all = match slot {
            None => (keys.clone(), values.clone()),
            Some((k, v)) => {
                if k.shape().first() != keys.shape().first() {
                    let text = format!(
                        "expected new keys for a cache of {:?}, found {:?}",
                        k.shape(),
                        keys.shape()
                    );
                    return Err(Error::new(ErrorKind::Shape, text));
                }
                (
                    ops::concatenate(&[k, keys], 2)?,
                    ops::concatenate(&[v, values], 2)?,
                )
            }
        };
        *slot = Some(all.clone());
        Ok([all.0, all.1])
    }
}
