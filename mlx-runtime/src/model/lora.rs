//! Low-rank adaptation (Hu et al. 2021): `y + scale * (x a) b` beside frozen linear maps.
//!
//! Tests: `mlx-tests --test models`.

use super::{Leaf, LeafMut, Model};
use crate::nn::{Linear, SwitchLinear};
use crate::random::Key;
use crate::{ops, random, Array, Dtype, Error, ErrorKind, Result};

/// The layers to adapt, and the size and scale of their adapters; the fields are mlx-lm's.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LoraConfig {
    /// The inner dim r.
    pub rank: usize,
    /// The factor of the update.
    pub scale: f32,
    /// Path endings of the layers to adapt, such as `self_attn.q_proj`.
    pub keys: Vec<String>,
    /// The number of adapted layers of the stack, counted from the last; -1 is all.
    pub num_layers: i32,
}

/// Freezes the model and adds an adapter to each linear map that `config` names and that has `#[lora]` in its
/// definition: `a` (in, rank) uniform in +-1/sqrt(in), `b` (rank, out) zero, both float32. Stacks of linear maps get
/// `a` (experts, rank, in) and `b` (experts, out, rank), as in mlx-lm. Returns the number of adapted layers.
///
/// # Errors
/// If a key matches no layer that may be adapted; the error lists those that may.
pub fn add_lora<M: Model>(model: &mut M, config: &LoraConfig, key: &Key) -> Result<usize> {
    if config.rank == 0 || !config.scale.is_finite() {
        let text = format!(
            "expected a LoRA rank of 1 or more and a finite scale, found {} and {}",
            config.rank, config.scale
        );
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let layers = depth(model);
    let first = match usize::try_from(config.num_layers) {
        Ok(n) => layers.saturating_sub(n),
        Err(_) => 0,
    };
    let matches = |name: &str, key: &String| name == key || name.ends_with(&format!(".{key}"));
    check_keys(model, config, matches)?;
    model.freeze();
    let rank = i32::try_from(config.rank).unwrap_or(i32::MAX);
    let (mut key, mut adapted, mut failed) = (key.clone(), 0, None);
    model.visit_mut("", &mut |path, leaf| {
        let mut layer = match leaf {
            LeafMut::Linear(l) => Adapted::One(l),
            LeafMut::SwitchLinear(l) => Adapted::Experts(l),
            _ => return,
        };
        layer.clear();
        let (place, name) = layer_of(path);
        let wanted = layer.allowed() && config.keys.iter().any(|k| matches(name, k));
        if !wanted || place.is_some_and(|i| i < first) || failed.is_some() {
            return;
        }
        let (input, a, b) = layer.shapes(rank);
        let limit = 1.0 / (input as f32).sqrt();
        let made = key.split().and_then(|(now, next)| {
            key = next;
            let (low, high) = (Array::scalar(-limit)?, Array::scalar(limit)?);
            let a = random::uniform(&low, &high, &a, Dtype::Float32, Some(&now))?;
            Ok((a, ops::zeros(&b, Dtype::Float32)?))
        });
        match made {
            Ok((a, b)) => {
                layer.set(a, b, config.scale);
                adapted += 1;
            }
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
}

impl Adapted<'_> {
    fn allowed(&self) -> bool {
        match self {
            Adapted::One(l) => l.lora_allowed(),
            Adapted::Experts(l) => l.lora_allowed(),
        }
    }

    fn clear(&mut self) {
        match self {
            Adapted::One(l) => l.clear_lora(),
            Adapted::Experts(l) => l.clear_lora(),
        }
    }

    /// The number of inputs, and the shapes of `a` and `b`.
    fn shapes(&self, rank: i32) -> (i32, Vec<i32>, Vec<i32>) {
        match self {
            Adapted::One(l) => {
                let (input, out) = l.sizes();
                (input, vec![input, rank], vec![rank, out])
            }
            Adapted::Experts(l) => {
                let [experts, out, input] = l.sizes();
                (input, vec![experts, rank, input], vec![experts, out, rank])
            }
        }
    }

    fn set(&mut self, a: Array, b: Array, scale: f32) {
        match self {
            Adapted::One(l) => l.set_lora(a, b, scale),
            Adapted::Experts(l) => l.set_lora(a, b, scale),
        }
    }
}

/// True if a layer's definition has `#[lora]`.
fn allowed(leaf: Leaf<'_>) -> bool {
    match leaf {
        Leaf::Linear(l) => l.lora_allowed(),
        Leaf::SwitchLinear(l) => l.lora_allowed(),
        _ => false,
    }
}

/// The names, inside a layer of the stack, of the linear maps, and stacks of them, that may be adapted. These are
/// mlx-lm's defaults.
pub fn lora_keys<M: Model>(model: &M) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    model.visit("", &mut |path, leaf| {
        let (layer, name) = layer_of(path);
        if allowed(leaf) && layer.is_some() && !keys.iter().any(|k| k == name) {
            keys.push(name.to_string());
        }
    });
    keys
}

/// Refuses keys that name no layer, before anything is changed.
fn check_keys<M: Model>(
    model: &M,
    config: &LoraConfig,
    matches: impl Fn(&str, &String) -> bool,
) -> Result<()> {
    let mut known: Vec<String> = Vec::new();
    model.visit("", &mut |path, leaf| {
        let name = layer_of(path).1;
        if allowed(leaf) && !known.iter().any(|k| k == name) {
            known.push(name.to_string());
        }
    });
    let lost = |k: &&String| !known.iter().any(|name| matches(name, k));
    let lost: Vec<&str> = config
        .keys
        .iter()
        .filter(lost)
        .map(String::as_str)
        .collect();
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
    use super::layer_of;

    #[test]
    fn paths_split_at_the_layer() {
        assert_eq!(
            layer_of("model.layers.12.self_attn.q_proj"),
            (Some(12), "self_attn.q_proj")
        );
        assert_eq!(layer_of("lm_head"), (None, "lm_head"));
    }
}
