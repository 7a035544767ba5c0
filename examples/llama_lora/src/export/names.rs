//! llama.cpp's names of a family's tensors, and how their values change.
//!
//! Tests: `tests/export.rs`.

use anyhow::{bail, Context, Result};
use mlx_models::{Config, Family};

/// The change of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// None.
    Nothing,
    /// The rows of this many heads become pairs of neighbours.
    Neighbours(usize),
    /// Hugging Face stores the weights of Gemma's norms less one.
    PlusOne,
}

/// Names inside a layer that all families share.
const LAYER: &[(&str, &str)] = &[
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// The norm before the feed-forward part of families with two norms.
const TWO_NORMS: &[(&str, &str)] = &[("post_attention_layernorm", "ffn_norm")];

/// Gemma has four.
const FOUR_NORMS: &[(&str, &str)] = &[
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

const OUTSIDE: &[(&str, &str)] = &[
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
];

/// The names of one model.
pub struct Names {
    /// llama.cpp's name of the architecture.
    pub architecture: &'static str,
    norms: &'static [(&'static str, &'static str)],
    gemma: bool,
    /// Query and key-value heads, if their rows change places.
    heads: Option<[usize; 2]>,
}

impl Names {
    /// The names for a model of `config`.
    pub fn of(config: &Config) -> Result<Names> {
        let heads = [config.num_attention_heads, config.num_key_value_heads];
        let names = |architecture, norms, gemma, heads| Names {
            architecture,
            norms,
            gemma,
            heads,
        };
        Ok(match config.family {
            Family::Llama | Family::Mistral => names("llama", TWO_NORMS, false, Some(heads)),
            Family::Qwen2 => names("qwen2", TWO_NORMS, false, None),
            Family::Qwen3 => names("qwen3", TWO_NORMS, false, None),
            Family::Phi3 => names("phi3", TWO_NORMS, false, None),
            Family::Gemma2 => names("gemma2", FOUR_NORMS, true, None),
            Family::Gemma3 => names("gemma3", FOUR_NORMS, true, None),
            other => bail!(
                "unsupported --export-gguf for {}: expected llama, mistral, qwen2, qwen3, phi3, gemma2 or gemma3_text; \
                 leave the flag out, and convert the folder with llama.cpp's convert_hf_to_gguf.py",
                other.model_type()
            ),
        })
    }

    /// The name of the tensor that Hugging Face calls `name`, and the change of its values.
    pub fn of_tensor(&self, name: &str) -> Result<(String, Change)> {
        let inside = name
            .strip_prefix("model.layers.")
            .and_then(|r| r.split_once('.'));
        let (prefix, rest) = match inside {
            Some((layer, rest)) => (format!("blk.{layer}."), rest),
            None => (String::new(), name),
        };
        let found = rest.rsplit_once('.').and_then(|(stem, leaf)| {
            let table = match inside {
                Some(_) => [LAYER, self.norms],
                None => [OUTSIDE, &[]],
            };
            let mut all = table.into_iter().flatten();
            let theirs = all.find(|(own, _)| *own == stem)?.1;
            Some((theirs, leaf))
        });
        let (theirs, leaf) = found
            .with_context(|| format!("llama.cpp's {} has no tensor {name}", self.architecture))?;
        let change = match (theirs, self.heads) {
            ("attn_q", Some([heads, _])) | ("attn_k", Some([_, heads])) => {
                Change::Neighbours(heads)
            }
            _ if self.gemma && theirs.ends_with("norm") => Change::PlusOne,
            _ => Change::Nothing,
        };
        Ok((format!("{prefix}{theirs}.{leaf}"), change))
    }
}
