//! The metadata of a GGUF file as the `config.json` that the model's Hugging Face folder would have.
//!
//! Tests: `tests/export.rs`, and unit tests of the parent module.

use anyhow::{bail, ensure, Context, Result};
use mlx_models::{Config, Family};
use mlx_runtime::io::Gguf;
use serde_json::{json, Map, Value};

use super::{number_of, rope};

/// Sizes and constants of a model of `family`, and the `config.json` that says the same. `None` stands for a rotation that
/// no `config.json` describes.
///
/// # Errors
/// If a size is missing, or contradicts another.
pub fn read(file: &Gguf, architecture: &str, family: Family) -> Result<(Config, Option<Value>)> {
    let keys = Keys { file, architecture };
    let mut all = sizes(&keys, family)?;
    all.extend(of_family(&keys, family, &all));
    let scaling = rope::scaling(file, architecture)?;
    let described = scaling.as_ref().map(rope::json);
    if let Some(Some(scaling)) = &described {
        all.insert("rope_scaling".into(), scaling.clone());
    }
    let json = Value::Object(all);
    let mut config = Config::parse(&json.to_string())?;
    config.rope_scaling = scaling;
    let complete = !matches!(described, Some(None));
    Ok((config, complete.then_some(json)))
}

/// Metadata under an architecture's name.
struct Keys<'f> {
    file: &'f Gguf,
    architecture: &'f str,
}

impl Keys<'_> {
    fn real(&self, key: &str) -> Option<f64> {
        number_of(self.file, &format!("{}.{key}", self.architecture))
    }

    fn size(&self, key: &str) -> Result<Option<usize>> {
        let key = format!("{}.{key}", self.architecture);
        let Some(value) = self.file.metadata.get(&key) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(value) if (1.0..=1e9).contains(&value) && value.fract() == 0.0 => {
                Ok(Some(value as usize))
            }
            Some(value) => {
                bail!("{key} of the metadata is {value}, expected a whole number of at least 1")
            }
            None => bail!("{key} of the metadata is a list, expected one number"),
        }
    }

    fn needed(&self, key: &str) -> Result<usize> {
        self.size(key)?
            .with_context(|| format!("{}.{key} is missing from the metadata", self.architecture))
    }

    fn has(&self, tensor: &str) -> bool {
        self.file.arrays.contains_key(tensor)
    }
}

/// The keys that all families share.
fn sizes(keys: &Keys, family: Family) -> Result<Map<String, Value>> {
    let heads = keys.needed("attention.head_count")?;
    let hidden = keys.needed("embedding_length")?;
    let kv_heads = keys.size("attention.head_count_kv")?.unwrap_or(heads);
    let key_length = keys.size("attention.key_length")?;
    ensure!(
        (key_length.is_some() || hidden.is_multiple_of(heads)) && heads.is_multiple_of(kv_heads),
        "expected heads that divide {hidden} features and key-value heads that divide the heads, found {heads} heads and {kv_heads} key-value heads"
    );
    let head_dim = key_length.unwrap_or(hidden / heads);
    let value_dim = keys.size("attention.value_length")?.unwrap_or(head_dim);
    ensure!(
        value_dim == head_dim,
        "unsupported heads of {head_dim} values in keys and {value_dim} in values: expected as many"
    );
    let embedding = keys.file.arrays.get("token_embd.weight");
    let embedding = embedding.context("token_embd.weight is missing")?;
    let rotated = keys.size("rope.dimension_count")?.unwrap_or(head_dim);
    ensure!(
        rotated == head_dim || family == Family::Phi3 && rotated < head_dim,
        "unsupported rotation of {rotated} of the {head_dim} values of a head: expected all"
    );
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    put("architectures", json!([class(family)]));
    put("model_type", json!(family.model_type()));
    put("hidden_size", json!(hidden));
    put(
        "intermediate_size",
        json!(keys.needed("feed_forward_length")?),
    );
    put("num_hidden_layers", json!(keys.needed("block_count")?));
    put("num_attention_heads", json!(heads));
    put("num_key_value_heads", json!(kv_heads));
    put("head_dim", json!(head_dim));
    put("vocab_size", json!(embedding.dim(0)?));
    put(
        "max_position_embeddings",
        json!(keys.size("context_length")?.unwrap_or(2048)),
    );
    let eps = keys.real("attention.layer_norm_rms_epsilon");
    put("rms_norm_eps", json!(exact(eps.unwrap_or(1e-5) as f32)));
    put(
        "rope_theta",
        json!(exact(keys.real("rope.freq_base").unwrap_or(1e4) as f32)),
    );
    put("tie_word_embeddings", json!(!keys.has("output.weight")));
    if rotated < head_dim {
        put(
            "partial_rotary_factor",
            json!(rotated as f64 / head_dim as f64),
        );
    }
    for (key, name) in [
        ("bos_token_id", "bos_token_id"),
        ("eos_token_id", "eos_token_id"),
        ("pad_token_id", "padding_token_id"),
    ] {
        let id = number_of(keys.file, &format!("tokenizer.ggml.{name}"));
        if let Some(id) = id.filter(|id| id.fract() == 0.0 && *id >= 0.0) {
            put(key, json!(id as u64));
        }
    }
    Ok(all)
}

/// The keys of one family.
fn of_family(keys: &Keys, family: Family, sizes: &Map<String, Value>) -> Map<String, Value> {
    let of = |key: &str| sizes[key].as_f64().unwrap_or(1.0);
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    match family {
        Family::Gemma2 | Family::Gemma3 => {
            put("hidden_activation", json!("gelu_pytorch_tanh"));
            // The largest ones divide by the width of a head as it would be if heads made up the model's width.
            let width = match (family, of("num_hidden_layers") as usize) {
                (Family::Gemma2, 46) | (Family::Gemma3, 62) => {
                    of("hidden_size") / of("num_attention_heads")
                }
                _ => of("head_dim"),
            };
            put("query_pre_attn_scalar", json!(width));
            for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
                if let Some(cap) = keys.real(key) {
                    put(key, json!(exact(cap as f32)));
                }
            }
        }
        // Nothing but the tensors says so. Qwen 2 always has the first.
        Family::Llama | Family::Qwen3 => {
            put("attention_bias", json!(keys.has("blk.0.attn_q.bias")));
            put("mlp_bias", json!(keys.has("blk.0.ffn_up.bias")));
        }
        Family::Phi3 => {
            let first = keys.real("rope.scaling.original_context_length");
            let first = first.unwrap_or(of("max_position_embeddings"));
            put("original_max_position_embeddings", json!(first as u64));
            // transformers takes 32000 for granted, which a small vocabulary lacks.
            if !sizes.contains_key("pad_token_id") {
                let end = sizes.get("eos_token_id").cloned().unwrap_or(json!(0));
                put("pad_token_id", end);
            }
        }
        _ => {}
    }
    if matches!(family, Family::Gemma2 | Family::Gemma3 | Family::Phi3) {
        // 0 is none.
        match keys.real("attention.sliding_window") {
            Some(window) if window >= 1.0 => put("sliding_window", json!(window as u64)),
            Some(_) => put("sliding_window", Value::Null),
            None => None,
        };
    }
    all
}

/// transformers' class.
fn class(family: Family) -> &'static str {
    match family {
        Family::Qwen2 => "Qwen2ForCausalLM",
        Family::Qwen3 => "Qwen3ForCausalLM",
        Family::Phi3 => "Phi3ForCausalLM",
        Family::Gemma2 => "Gemma2ForCausalLM",
        Family::Gemma3 => "Gemma3ForCausalLM",
        _ => "LlamaForCausalLM",
    }
}

/// The shortest number that is this float32.
pub(super) fn exact(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}
