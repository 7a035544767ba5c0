//! llama.cpp's names of a family's tensors beside Hugging Face's, and how their values differ.
//!
//! Tests: `tests/export.rs`.

use anyhow::{bail, Context, Result};
use mlx_models::{Config, Family};

use super::super::{halves, neighbours};
use mlx_runtime::{ops, Array, Dtype};

/// The difference between a tensor's values in a GGUF file and in a Hugging Face folder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// None.
    Nothing,
    /// The rows of this many heads are pairs of neighbours.
    Neighbours(usize),
    /// Hugging Face stores the weights of Gemma's norms less one.
    PlusOne,
}

impl Change {
    /// The values of a GGUF file, from Hugging Face's.
    pub fn to_gguf(self, values: &Array) -> Result<Array> {
        Ok(match self {
            Change::Nothing => values.clone(),
            Change::Neighbours(heads) => neighbours(values, 0, heads)?,
            Change::PlusOne => shifted(values, 1.0)?,
        })
    }

    /// Hugging Face's values, from a GGUF file's.
    pub fn from_gguf(self, values: &Array) -> Result<Array> {
        Ok(match self {
            Change::Nothing => values.clone(),
            Change::Neighbours(heads) => halves(values, 0, heads)?,
            Change::PlusOne => shifted(values, -1.0)?,
        })
    }
}

fn shifted(values: &Array, by: f32) -> Result<Array> {
    let values = ops::astype(values, Dtype::Float32)?;
    Ok(ops::add(&values, &Array::scalar(by)?)?)
}

/// Pairs of Hugging Face's name and llama.cpp's.
type Table = &'static [(&'static str, &'static str)];

/// Names inside a layer that all families share.
const LAYER: Table = &[
    ("input_layernorm", "attn_norm"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.down_proj", "ffn_down"),
];

/// Projections with a matrix each.
const APART: Table = &[
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
];

/// Projections that share a matrix.
const JOINED: Table = &[
    ("self_attn.qkv_proj", "attn_qkv"),
    ("mlp.gate_up_proj", "ffn_up"),
];

/// The norm before the feed-forward part of families with two norms.
const TWO_NORMS: Table = &[("post_attention_layernorm", "ffn_norm")];

/// Gemma has four.
const FOUR_NORMS: Table = &[
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

const OUTSIDE: Table = &[
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
];

/// An architecture of llama.cpp, and the families that it stands for: a file is of the first.
struct Architecture {
    name: &'static str,
    families: &'static [Family],
    layer: [Table; 3],
}

const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "llama",
        families: &[Family::Llama, Family::Mistral],
        layer: [LAYER, APART, TWO_NORMS],
    },
    Architecture {
        name: "qwen2",
        families: &[Family::Qwen2],
        layer: [LAYER, APART, TWO_NORMS],
    },
    Architecture {
        name: "qwen3",
        families: &[Family::Qwen3],
        layer: [LAYER, APART, TWO_NORMS],
    },
    Architecture {
        name: "phi3",
        families: &[Family::Phi3],
        layer: [LAYER, JOINED, TWO_NORMS],
    },
    Architecture {
        name: "gemma2",
        families: &[Family::Gemma2],
        layer: [LAYER, APART, FOUR_NORMS],
    },
    Architecture {
        name: "gemma3",
        families: &[Family::Gemma3],
        layer: [LAYER, APART, FOUR_NORMS],
    },
];

/// The family of a file of this architecture.
///
/// # Errors
/// If no model here computes it.
pub fn family(architecture: &str) -> Result<Family> {
    match ARCHITECTURES.iter().find(|a| a.name == architecture) {
        Some(found) => Ok(found.families[0]),
        None => {
            let known: Vec<&str> = ARCHITECTURES.iter().map(|a| a.name).collect();
            bail!(
                "unsupported architecture {architecture:?}: expected {}; use the model's Hugging Face folder instead",
                known.join(", ")
            )
        }
    }
}

/// The names of one model.
pub struct Names {
    /// llama.cpp's name of the architecture.
    pub architecture: &'static str,
    layer: [Table; 3],
    gemma: bool,
    /// Query and key-value heads, if their rows change places.
    heads: Option<[usize; 2]>,
}

impl Names {
    /// The names for a model of `config`.
    ///
    /// # Errors
    /// If llama.cpp has no such model, or no names for it are here.
    pub fn of(config: &Config) -> Result<Names> {
        let all = ARCHITECTURES.iter();
        let Some(found) = all.clone().find(|a| a.families.contains(&config.family)) else {
            let known: Vec<&str> = all
                .flat_map(|a| a.families)
                .map(|f| f.model_type())
                .collect();
            bail!(
                "unsupported --export-gguf for {}: expected {}; \
                 leave the flag out, and convert the folder with llama.cpp's convert_hf_to_gguf.py",
                config.family.model_type(),
                known.join(", ")
            );
        };
        let heads = [config.num_attention_heads, config.num_key_value_heads];
        Ok(Names {
            architecture: found.name,
            layer: found.layer,
            gemma: matches!(config.family, Family::Gemma2 | Family::Gemma3),
            heads: (found.name == "llama").then_some(heads),
        })
    }

    /// llama.cpp's name of the tensor that Hugging Face calls `name`, and the change of its values.
    ///
    /// # Errors
    /// If llama.cpp has no such tensor.
    pub fn to_gguf(&self, name: &str) -> Result<(String, Change)> {
        let (layer, rest) = split(name, "model.layers.");
        let found = self.renamed(rest, layer.is_some(), |(own, theirs)| (own, theirs));
        let (theirs, leaf) = found
            .with_context(|| format!("llama.cpp's {} has no tensor {name}", self.architecture))?;
        let name = match layer {
            Some(layer) => format!("blk.{layer}.{theirs}.{leaf}"),
            None => format!("{theirs}.{leaf}"),
        };
        Ok((name, self.change(theirs)))
    }

    /// Hugging Face's name of the tensor that llama.cpp calls `name`, and the change of its values. A name that llama.cpp
    /// does not have stays as it is.
    pub fn from_gguf(&self, name: &str) -> (String, Change) {
        let (layer, rest) = split(name, "blk.");
        match self.renamed(rest, layer.is_some(), |(own, theirs)| (theirs, own)) {
            Some((own, leaf)) => {
                let stem = rest.rsplit_once('.').map_or(rest, |(stem, _)| stem);
                let name = match layer {
                    Some(layer) => format!("model.layers.{layer}.{own}.{leaf}"),
                    None => format!("{own}.{leaf}"),
                };
                (name, self.change(stem))
            }
            None => (name.to_owned(), Change::Nothing),
        }
    }

    /// The other name of `rest`, and the part after its last dot.
    fn renamed<'n>(
        &self,
        rest: &'n str,
        inside: bool,
        order: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
    ) -> Option<(&'static str, &'n str)> {
        let (stem, leaf) = rest.rsplit_once('.')?;
        let tables: &[Table] = if inside { &self.layer } else { &[OUTSIDE] };
        let mut all = tables.iter().copied().flatten().map(|pair| order(*pair));
        let (_, other) = all.find(|(from, _)| *from == stem)?;
        Some((other, leaf))
    }

    fn change(&self, theirs: &str) -> Change {
        match (theirs, self.heads) {
            ("attn_q", Some([heads, _])) | ("attn_k", Some([_, heads])) => {
                Change::Neighbours(heads)
            }
            _ if self.gemma && theirs.ends_with("norm") => Change::PlusOne,
            _ => Change::Nothing,
        }
    }
}

/// The number of the layer, and the rest of the name.
fn split<'n>(name: &'n str, prefix: &str) -> (Option<&'n str>, &'n str) {
    match name.strip_prefix(prefix).and_then(|r| r.split_once('.')) {
        Some((layer, rest)) => (Some(layer), rest),
        None => (None, name),
    }
}
