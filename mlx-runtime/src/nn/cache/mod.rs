//! The memory of a text that a model has seen: keys and values, states, and caches inside of caches.
//!
//! Tests: `mlx-tests --test parts`, `--test models`.

mod keys;

use keys::{Form, Keys};

use crate::{ops, Array, Dtype, Error, ErrorKind, Result};

/// Keys and values `[B, kv_heads, S, head_dim]` and states for each layer, so that a token that follows costs one
/// position instead of all.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    layers: Vec<Slot>,
    at: usize,
    on: bool,
    form: Form,
    /// The length of a text from which on its keys are rotated in another way.
    changes_at: Option<i32>,
}

/// The memory of one layer.
#[derive(Clone, Debug, Default)]
struct Slot {
    keys: Option<Keys>,
    /// Keys and values that are computed once.
    kept: Option<[Array; 2]>,
    states: Vec<(&'static str, Array)>,
    parts: Vec<(&'static str, KvCache)>,
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

    /// As [`KvCache::new`], with room for `size` tokens: of a longer text, the first `keep` tokens and the last ones stay,
    /// as in mlx-lm's `RotatingKVCache`. Tokens that are given together see up to `size - 1` tokens before them. States
    /// are kept as ever.
    ///
    /// # Errors
    /// If `size` is not above `keep`.
    pub fn with_limit(size: i32, keep: i32) -> Result<Self> {
        if keep < 0 || size <= keep {
            let text = format!("expected room for more than {keep} tokens, found {size}");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(KvCache {
            form: Form::Rotating { size, keep },
            ..Self::new()
        })
    }

    /// An empty cache with packed keys and values (`QuantizedKVCache` of mlx-lm). The size of a head must be a
    /// multiple of `group_size`.
    ///
    /// # Errors
    /// If MLX cannot pack so.
    pub fn quantized(group_size: i32, bits: i32) -> Result<Self> {
        if ![32, 64, 128].contains(&group_size) || ![2, 3, 4, 5, 6, 8].contains(&bits) {
            let text = format!(
                "expected groups of 32, 64 or 128 with 2, 3, 4, 5, 6 or 8 bits, found groups of {group_size} with {bits} bits"
            );
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(KvCache {
            form: Form::Quantized { group_size, bits },
            ..Self::new()
        })
    }

    /// True if it keeps anything.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The number of tokens before, in the layer that runs now.
    pub fn offset(&self) -> i32 {
        let Some(slot) = self.layers.get(self.at) else {
            return 0;
        };
        let parts = slot.parts.iter().map(|(_, c)| c.offset());
        slot.keys
            .iter()
            .map(Keys::seen)
            .chain(parts)
            .max()
            .unwrap_or(0)
    }

    /// The number of positions that an update puts in front, in the layer that runs now.
    pub(crate) fn kept(&self) -> i32 {
        match self.form {
            Form::Rotating { size, .. } => self.offset().min(size - 1),
            _ => self.offset(),
        }
    }

    /// Forgets all tokens but the first `length`. False, and nothing is changed, if tokens among those were dropped, or if
    /// the cache has states, which cannot go back.
    ///
    /// # Errors
    /// If MLX fails.
    pub fn truncate(&mut self, length: i32) -> Result<bool> {
        if length < 0 || !self.goes_back() {
            return Ok(false);
        }
        for slot in &mut self.layers {
            if let Some(keys) = &mut slot.keys {
                keys.truncate(length)?;
            }
            for (_, part) in &mut slot.parts {
                part.truncate(length)?;
            }
        }
        Ok(true)
    }

    /// True if it holds every token, and nothing that depends on the last ones.
    fn goes_back(&self) -> bool {
        self.layers.iter().all(|slot| {
            slot.states.is_empty()
                && slot.keys.iter().all(Keys::is_whole)
                && slot.parts.iter().all(|(_, c)| c.goes_back())
        })
    }

    /// The arrays it holds, to evaluate them with a step's result.
    pub fn arrays(&self) -> Vec<&Array> {
        let mut all = Vec::new();
        for slot in &self.layers {
            all.extend(slot.keys.iter().flat_map(Keys::arrays));
            all.extend(slot.kept.iter().flatten());
            all.extend(slot.states.iter().map(|(_, a)| a));
            all.extend(slot.parts.iter().flat_map(|(_, c)| c.arrays()));
        }
        all
    }

    /// True if `more` tokens take the text past a length from which on its keys are rotated in another way
    /// ([`super::RopeScaling::LongRope`]): the whole text must then be given again, with an empty cache.
    pub fn outgrown_by(&self, more: i32) -> bool {
        let keys = self.layers.iter().filter_map(|s| s.keys.as_ref());
        let before = keys.map(Keys::seen).max().unwrap_or(0);
        let passes = |at: i32| before > 0 && before <= at && before.saturating_add(more) > at;
        let mut parts = self.layers.iter().flat_map(|s| &s.parts);
        self.changes_at.is_some_and(passes) || parts.any(|(_, c)| c.outgrown_by(more))
    }

    pub(super) fn set_changes_at(&mut self, length: i32) {
        self.changes_at = Some(length);
    }

    /// Says which layer runs next.
    pub(crate) fn enter(&mut self, layer: usize) {
        self.at = layer;
    }

    fn slot(&mut self) -> &mut Slot {
        if self.layers.len() <= self.at {
            self.layers.resize(self.at + 1, Slot::default());
        }
        &mut self.layers[self.at]
    }

    /// Puts the cached keys and values in front of the new ones.
    ///
    /// # Errors
    /// If the tokens before had another batch size.
    pub fn update(&mut self, keys: &Array, values: &Array) -> Result<[Array; 2]> {
        if !self.on {
            return Ok([keys.clone(), values.clone()]);
        }
        let form = self.form;
        let slot = self.slot();
        let (all, now) = match &slot.keys {
            None => form.first(keys, values)?,
            Some(before) => form.next(before, keys, values)?,
        };
        slot.keys = Some(now);
        Ok(all)
    }

    /// The keys and values of the first call, for all calls: those of a text that another text attends to. The arrays
    /// of later calls are never computed.
    ///
    /// # Errors
    /// If their shapes differ from those of the first call.
    pub fn keep(&mut self, keys: &Array, values: &Array) -> Result<[Array; 2]> {
        if !self.on {
            return Ok([keys.clone(), values.clone()]);
        }
        let kept = self
            .slot()
            .kept
            .get_or_insert_with(|| [keys.clone(), values.clone()]);
        for (kept, new) in kept.iter().zip([keys, values]) {
            same("what the cache keeps", kept.shape(), new.shape())?;
        }
        Ok(kept.clone())
    }

    /// A cache inside of this one, of the layer that runs now.
    pub fn part(&mut self, name: &'static str) -> &mut KvCache {
        let (on, form) = (self.on, self.form);
        let slot = self.slot();
        let found = slot.parts.iter().position(|(n, _)| *n == name);
        let at = found.unwrap_or_else(|| {
            let part = KvCache {
                on,
                form,
                ..KvCache::default()
            };
            slot.parts.push((name, part));
            slot.parts.len() - 1
        });
        &mut slot.parts[at].1
    }

    /// A state of the layer that runs now; zeros before the first token.
    pub(crate) fn state(&self, name: &'static str, shape: &[i32], dtype: Dtype) -> Result<Array> {
        let slot = self.layers.get(self.at).filter(|_| self.on);
        let mut states = slot.iter().flat_map(|s| &s.states);
        match states.find(|(n, _)| *n == name) {
            Some((_, state)) => {
                same(&format!("the state \"{name}\""), shape, state.shape())?;
                Ok(state.clone())
            }
            None => ops::zeros(shape, dtype),
        }
    }

    /// Sets a state of the layer that runs now.
    pub(crate) fn set_state(&mut self, name: &'static str, value: &Array) {
        if !self.on {
            return;
        }
        let slot = self.slot();
        match slot.states.iter_mut().find(|(n, _)| *n == name) {
            Some((_, state)) => *state = value.clone(),
            None => slot.states.push((name, value.clone())),
        }
    }
}

fn same(what: &str, expected: &[i32], found: &[i32]) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => {
            let text = format!("{what}: expected {expected:?}, found {found:?}");
            Err(Error::new(ErrorKind::Shape, text).with_hint("begin a new text with a new cache"))
        }
    }
}
