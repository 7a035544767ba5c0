//! Low-rank adaptation (Hu et al. 2021): `y + scale * (x a) b` beside frozen linear maps.
//!
//! Tests: `mlx-tests --test models`.

use super::{Leaf, LeafMut, Model};
use crate::nn::lora::{check_dropout, Dora, Lora};
use crate::nn::{Embedding, Linear, SwitchLinear};
use crate::random::Key;
use crate::{ops, random, Array, Dtype, Error, ErrorKind, Result};

/// The layers to adapt, and the size and scale of their adapters; the fields are mlx-lm's.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct LoraConfig {
    /// The inner dim r.
    pub rank: usize,
    /// The factor of the update.
    pub scale: f32,
    /// Path endings of the layers to adapt, such as `self_attn.q_proj`.
    pub keys: Vec<String>,
    /// The number of adapted layers of the stack, counted from the last; -1 is all.
    pub num_layers: i32,
    /// True if the norms of the rows train by themselves (DoRA). Stacks of linear maps cannot.
    pub dora: bool,
    /// Chance that an input of an adapter is zero in a step with a key ([`set_dropout_key`]).
    pub dropout: f32,
    /// Other ranks and scales for some of the layers; the first that fits a layer counts.
    pub patterns: Vec<LoraPattern>,
}

/// The rank and the scale of some layers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LoraPattern {
    /// The end of the layers' paths, such as `q_proj` or `layers.3.self_attn.q_proj`.
    pub key: String,
    /// The inner dim r.
    pub rank: usize,
    /// The factor of the update.
    pub scale: f32,
}

impl Default for LoraConfig {
    /// mlx-lm's defaults, of no layer yet.
    fn default() -> Self {
        LoraConfig {
            rank: 8,
            scale: 20.0,
            keys: Vec::new(),
            num_layers: -1,
            dora: false,
            dropout: 0.0,
            patterns: Vec::new(),
        }
    }
}

/// True if `key` is the path, or the end of it.
fn matches(path: &str, key: &str) -> bool {
    let rest = path.strip_suffix(key);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl LoraConfig {
    /// The rank and scale of the layer at `path`.
    fn of(&self, path: &str) -> (usize, f32) {
        let own = self.patterns.iter().find(|p| matches(path, &p.key));
        own.map_or((self.rank, self.scale), |p| (p.rank, p.scale))
    }

    fn check(&self) -> Result<()> {
        let all = self.patterns.iter().map(|p| (p.rank, p.scale));
        for (rank, scale) in all.chain([(self.rank, self.scale)]) {
            if rank == 0 || !scale.is_finite() {
                let text = format!(
                    "expected a LoRA rank of 1 or more and a finite scale, found {rank} and {scale}"
                );
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            }
        }
        check_dropout(self.dropout)
    }
}

/// Freezes the model and adds an adapter to each layer that `config` names: to linear maps, and stacks of them, that have
/// `#[lora]` in their definition, and outside of the stack of layers to any linear map and table.
///
/// `a` (in, rank) is uniform in +-1/sqrt(in), `b` (rank, out) zero, both float32. Tables get `a` (rows, rank) and `b`
/// (rank, dims), and layers that share the table use them, too. Stacks of linear maps get `a` (experts, rank, in) and `b`
/// (experts, out, rank). With DoRA there is `m` (out), the norms of the rows. All as in mlx-lm. Returns the number of
/// adapted layers.
///
/// # Errors
/// If a key matches no layer that may be adapted; the error lists those that may.
pub fn add_lora<M: Model>(model: &mut M, config: &LoraConfig, key: &Key) -> Result<usize> {
    config.check()?;
    let layers = depth(model);
    let first = match usize::try_from(config.num_layers) {
        Ok(n) => layers.saturating_sub(n),
        Err(_) => 0,
    };
    check_keys(model, config)?;
    model.freeze();
    let (mut key, mut adapted, mut failed) = (key.clone(), 0, None);
    model.visit_mut("", &mut |path, leaf| {
        let mut layer = match leaf {
            LeafMut::Linear(l) => Adapted::One(l),
            LeafMut::SwitchLinear(l) => Adapted::Experts(l),
            LeafMut::Embedding(l) => Adapted::Table(l),
            _ => return,
        };
        layer.clear();
        let (place, name) = layer_of(path);
        let wanted = layer.allowed(place.is_some()) && config.keys.iter().any(|k| matches(name, k));
        if !wanted || place.is_some_and(|i| i < first) || failed.is_some() {
            return;
        }
        match layer.begin(path, config, &mut key) {
            Ok(()) => adapted += 1,
            Err(e) => failed = Some(e),
        }
    });
    match failed {
        Some(e) => Err(e),
        None if adapted == 0 => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "LoRA adapts no layer: expected 1 to {layers} layers, found {}",
                config.num_layers
            ),
        )),
        None => Ok(adapted),
    }
}

/// Gives each adapter with dropout its own part of `key`, so that a step drops random inputs; the same key drops the same
/// ones. Without a key nothing is dropped, as in evaluation.
///
/// # Errors
/// The error that MLX reports.
pub fn set_dropout_key<M: Model>(model: &mut M, key: Option<&Key>) -> Result<()> {
    let mut next = key.cloned();
    let mut failed = None;
    model.visit_mut("", &mut |_, leaf| {
        let lora = match leaf {
            LeafMut::Linear(l) => l.lora_mut(),
            LeafMut::SwitchLinear(l) => l.lora_mut(),
            LeafMut::Embedding(l) => l.lora_mut(),
            _ => None,
        };
        let Some(lora) = lora.filter(|l| l.dropout > 0.0) else {
            return;
        };
        lora.key = match next.take().map(|k| k.split()).transpose() {
            Ok(Some((own, rest))) => {
                next = Some(rest);
                Some(own)
            }
            Ok(None) => None,
            Err(e) => {
                failed = Some(e);
                None
            }
        };
    });
    failed.map_or(Ok(()), Err)
}

/// Freezes the model but for the last `num_layers` layers of its stack, -1 for all of them: what mlx-lm trains as `full`.
/// Matrices that are packed stay frozen. Returns the number of tensors to train.
///
/// # Errors
/// If there is none.
pub fn unfreeze_layers<M: Model>(model: &mut M, num_layers: i32) -> Result<usize> {
    let layers = depth(model);
    let first = match usize::try_from(num_layers) {
        Ok(n) => layers.saturating_sub(n),
        Err(_) => 0,
    };
    model.freeze();
    model.visit_mut("", &mut |path, leaf| {
        if layer_of(path).0.is_some_and(|i| i >= first) {
            leaf.freeze(false);
        }
    });
    match model.trainable().len() {
        0 => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("no tensor of the last {num_layers} layers can be trained"),
        )
        .with_hint("load the model without packing its matrices")),
        count => Ok(count),
    }
}

/// A layer that may be adapted.
enum Adapted<'a> {
    One(&'a mut Linear),
    Experts(&'a mut SwitchLinear),
    Table(&'a mut Embedding),
}

impl Adapted<'_> {
    /// True if it may have an adapter; `inside` of the stack of layers its definition says so.
    fn allowed(&self, inside: bool) -> bool {
        match self {
            Adapted::One(l) => allowed(Leaf::Linear(l), inside),
            Adapted::Experts(l) => allowed(Leaf::SwitchLinear(l), inside),
            Adapted::Table(l) => allowed(Leaf::Embedding(l), inside),
        }
    }

    fn clear(&mut self) {
        match self {
            Adapted::One(l) => l.clear_lora(),
            Adapted::Experts(l) => l.clear_lora(),
            Adapted::Table(l) => l.set_lora(None),
        }
    }

    /// The number of inputs, and the shapes of `a` and `b`.
    fn shapes(&self, rank: i32) -> Result<(i32, Vec<i32>, Vec<i32>)> {
        Ok(match self {
            Adapted::One(l) => {
                let (input, out) = l.sizes();
                (input, vec![input, rank], vec![rank, out])
            }
            Adapted::Experts(l) => {
                let [experts, out, input] = l.sizes();
                (input, vec![experts, rank, input], vec![experts, out, rank])
            }
            Adapted::Table(l) => {
                let (rows, dims) = l.sizes()?;
                (rows, vec![rows, rank], vec![rank, dims])
            }
        })
    }

    /// Adds the adapter that training begins with, and takes its random numbers from `key`.
    fn begin(&mut self, path: &str, config: &LoraConfig, key: &mut Key) -> Result<()> {
        let (rank, scale) = config.of(path);
        let (input, a, b) = self.shapes(i32::try_from(rank).unwrap_or(i32::MAX))?;
        let limit = 1.0 / (input as f32).sqrt();
        let (now, next) = key.split()?;
        *key = next;
        let (low, high) = (Array::scalar(-limit)?, Array::scalar(limit)?);
        let dora = match self {
            _ if !config.dora => None,
            Adapted::One(l) => Some(Dora::of(&l.dense(Dtype::Float32)?)?),
            Adapted::Table(l) => Some(Dora::of(&l.dense()?)?),
            Adapted::Experts(_) => {
                let text = format!("{path} is a stack of linear maps, which DoRA cannot adapt");
                return Err(Error::new(ErrorKind::InvalidArgument, text)
                    .with_hint("use LoRA, or leave these layers out of the keys"));
            }
        };
        let lora = Lora {
            a: random::uniform(&low, &high, &a, Dtype::Float32, Some(&now))?,
            b: ops::zeros(&b, Dtype::Float32)?,
            scale,
            dora,
            dropout: config.dropout,
            key: None,
        };
        match self {
            Adapted::One(l) => l.set_lora(lora),
            Adapted::Experts(l) => l.set_lora(lora),
            Adapted::Table(l) => l.set_lora(Some(lora)),
        }
        Ok(())
    }
}

/// True if a layer may be adapted: `inside` of the stack of layers one with `#[lora]` in its definition, and elsewhere any
/// linear map and table with a weight of its own.
fn allowed(leaf: Leaf<'_>, inside: bool) -> bool {
    match leaf {
        Leaf::Linear(l) => l.lora_allowed() || !inside && l.lora_possible(),
        Leaf::SwitchLinear(l) => l.lora_allowed(),
        Leaf::Embedding(l) => !inside && !l.is_pinned(),
        _ => false,
    }
}

/// The names, inside a layer of the stack, of the linear maps, and stacks of them, that may be adapted. These are
/// mlx-lm's defaults.
pub fn lora_keys<M: Model>(model: &M) -> Vec<String> {
    keys(model, true)
}

/// The names of all layers that may be adapted: [`lora_keys`], and those outside of the stack, such as `lm_head` and
/// `model.embed_tokens`.
pub fn all_lora_keys<M: Model>(model: &M) -> Vec<String> {
    keys(model, false)
}

fn keys<M: Model>(model: &M, inside_alone: bool) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    model.visit("", &mut |path, leaf| {
        let (layer, name) = layer_of(path);
        let wanted = allowed(leaf, layer.is_some()) && (layer.is_some() || !inside_alone);
        if wanted && !keys.iter().any(|k| k == name) {
            keys.push(name.to_string());
        }
    });
    keys
}

/// Refuses keys and patterns that name no layer, before anything is changed.
fn check_keys<M: Model>(model: &M, config: &LoraConfig) -> Result<()> {
    let known = keys(model, false);
    let lost = |k: &&String| !known.iter().any(|name| matches(name, k));
    let mut lost: Vec<&str> = config
        .keys
        .iter()
        .filter(lost)
        .map(String::as_str)
        .collect();
    let mut fits = vec![false; config.patterns.len()];
    model.visit("", &mut |path, leaf| {
        if allowed(leaf, layer_of(path).0.is_some()) {
            for (fits, pattern) in fits.iter_mut().zip(&config.patterns) {
                *fits |= matches(path, &pattern.key);
            }
        }
    });
    let patterns = fits.iter().zip(&config.patterns);
    lost.extend(
        patterns
            .filter(|(fits, _)| !**fits)
            .map(|(_, p)| p.key.as_str()),
    );
    if lost.is_empty() && !config.keys.is_empty() {
        return Ok(());
    }
    let text = match lost.is_empty() {
        true => "no layer is named".to_string(),
        false => format!("no layer for LoRA is called {}", lost.join(", ")),
    };
    Err(Error::new(ErrorKind::InvalidArgument, text)
        .with_hint(format!("name one of these layers: {}", known.join(", "))))
}

/// The number of layers in the model's stack.
fn depth<M: Model>(model: &M) -> usize {
    let mut depth = 0;
    model.visit("", &mut |path, _| {
        if let Some(i) = layer_of(path).0 {
            depth = depth.max(i + 1);
        }
    });
    depth
}

/// The number of the layer in `model.layers.3.self_attn.q_proj`, and the path after it.
fn layer_of(path: &str) -> (Option<usize>, &str) {
    let mut at = 0;
    for part in path.split('.') {
        at += part.len() + 1;
        if let Ok(i) = part.parse() {
            return (Some(i), path.get(at..).unwrap_or(""));
        }
    }
    (None, path)
}

#[cfg(test)]
mod tests {
    use super::{layer_of, matches};

    #[test]
    fn keys_are_ends_of_paths() {
        for key in [
            "model.layers.3.self_attn.q_proj",
            "self_attn.q_proj",
            "q_proj",
        ] {
            assert!(matches("model.layers.3.self_attn.q_proj", key), "{key}");
        }
        for key in ["proj", "self_attn", "k_proj", ""] {
            assert!(!matches("model.layers.3.self_attn.q_proj", key), "{key}");
        }
    }

    #[test]
    fn paths_split_at_the_layer() {
        assert_eq!(
            layer_of("model.layers.12.self_attn.q_proj"),
            (Some(12), "self_attn.q_proj")
        );
        assert_eq!(layer_of("lm_head"), (None, "lm_head"));
    }
}
