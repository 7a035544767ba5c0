//! Opens a GGUF file of the llama architecture. The model knows its tensors by GGUF's names too.
//!
//! Tests: unit tests below.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::io::{self, Gguf, GgufValue};
use mlx_runtime::Array;
use serde_json::{json, Value};

use super::{halves, rope, Beside, Checkpoint};
use crate::text::{self, GgufVocab};
use mlx_models::Config;

/// Opens the file at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    let mut file = io::load_gguf(path)?;
    let mut read = || -> Result<Checkpoint> {
        let architecture = text_of(&file, "general.architecture").unwrap_or_default();
        ensure!(
            architecture == "llama",
            "unsupported architecture {architecture:?}: expected llama"
        );
        let vocab = vocab(&file)?;
        let tokenizer_config = tokenizer_config(&vocab);
        let mut text = text::from_gguf(vocab)?;
        let config = config(&file)?;
        config.check()?;
        text.limit(config.vocab_size, config.max_position_embeddings)?;
        let mut weights = std::mem::take(&mut file.arrays);
        reorder(&mut weights, &config)?;
        Ok(Checkpoint {
            config,
            weights,
            block_size: None,
            names: "gguf",
            text,
            beside: Beside::Made {
                config: None,
                tokenizer_config,
            },
        })
    };
    read().with_context(|| format!("in {}", path.display()))
}

fn config(file: &Gguf) -> Result<Config> {
    let optional = |key: &str| -> Result<Option<usize>> {
        let key = format!("llama.{key}");
        let Some(value) = file.metadata.get(&key) else {
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
    };
    let int = |key: &str| {
        optional(key)?.with_context(|| format!("llama.{key} is missing from the metadata"))
    };
    let heads = int("attention.head_count")?;
    let hidden = int("embedding_length")?;
    let kv_heads = optional("attention.head_count_kv")?.unwrap_or(heads);
    ensure!(
        hidden % heads == 0 && heads % kv_heads == 0,
        "expected heads that divide {hidden} features and key-value heads that divide the heads, found {heads} heads and {kv_heads} key-value heads"
    );
    let embedding = file
        .arrays
        .get("token_embd.weight")
        .context("token_embd.weight is missing")?;
    let number = |key: &str| number_of(file, &format!("llama.{key}"));
    let head_dim = optional("attention.key_length")?.unwrap_or(hidden / heads);
    let rotated = optional("rope.dimension_count")?.unwrap_or(head_dim);
    ensure!(
        rotated == head_dim,
        "unsupported rotation of {rotated} of the {head_dim} values of a head: expected all"
    );
    Ok(Config {
        hidden_size: hidden,
        num_hidden_layers: int("block_count")?,
        intermediate_size: int("feed_forward_length")?,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim,
        vocab_size: usize::try_from(embedding.dim(0)?)?,
        rms_norm_eps: number("attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32,
        rope_theta: number("rope.freq_base").unwrap_or(10_000.0) as f32,
        rope_scaling: rope::scaling(file)?,
        tie_word_embeddings: !file.arrays.contains_key("output.weight"),
        // Nothing but the tensors says so.
        attention_bias: file.arrays.contains_key("blk.0.attn_q.bias"),
        mlp_bias: file.arrays.contains_key("blk.0.ffn_up.bias"),
        max_position_embeddings: optional("context_length")?.unwrap_or(2048),
        ..Config::default()
    })
}

/// Names of a llama's layers: Hugging Face's and GGUF's.
const NAMES: &[(&str, &str)] = &[
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
];

/// Hugging Face's name of a tensor of a GGUF of the llama architecture; `None` for a table of the rotation.
pub fn hugging_face_name(name: &str) -> Option<String> {
    let (layer, rest) = match name.strip_prefix("blk.").and_then(|r| r.split_once('.')) {
        Some((layer, rest)) => (format!("model.layers.{layer}."), rest),
        None => (String::new(), name),
    };
    let (stem, leaf) = rest.rsplit_once('.')?;
    let (theirs, _) = NAMES.iter().find(|(_, own)| *own == stem)?;
    Some(format!("{layer}{theirs}.{leaf}"))
}

/// The `tokenizer_config.json` that says what the metadata says.
fn tokenizer_config(vocab: &GgufVocab) -> Value {
    let token = |id: Option<u32>| id.and_then(|id| vocab.tokens.get(id as usize));
    let mut all = json!({
        "bos_token": token(vocab.bos), "eos_token": token(vocab.eos), "chat_template": vocab.template,
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    if let Value::Object(map) = &mut all {
        map.retain(|_, value| !value.is_null());
    }
    all
}

/// Brings the rows of queries and keys into Hugging Face's order.
fn reorder(weights: &mut HashMap<String, Array>, config: &Config) -> Result<()> {
    for (name, array) in weights {
        let heads = match name.split('.').nth(2) {
            Some("attn_q") => config.num_attention_heads,
            Some("attn_k") => config.num_key_value_heads,
            _ => continue,
        };
        *array = halves(array, 0, heads)?;
    }
    Ok(())
}

/// The tokenizer's part of the metadata.
fn vocab(file: &Gguf) -> Result<GgufVocab> {
    let texts = |key: &str| {
        let list = file.metadata.get(key).and_then(GgufValue::as_texts);
        list.map(<[String]>::to_vec)
            .with_context(|| format!("{key} is missing from the metadata"))
    };
    let id = |key: &str| {
        let value = file.metadata.get(key).and_then(GgufValue::as_u64);
        value.and_then(|id| u32::try_from(id).ok())
    };
    let types = file
        .metadata
        .get("tokenizer.ggml.token_type")
        .and_then(GgufValue::as_ints);
    Ok(GgufVocab {
        model: text_of(file, "tokenizer.ggml.model")
            .context("expected a tokenizer in the file, found none")?,
        pre: text_of(file, "tokenizer.ggml.pre"),
        tokens: texts("tokenizer.ggml.tokens")?,
        types: types
            .unwrap_or_default()
            .iter()
            .map(|&t| t as i32)
            .collect(),
        merges: texts("tokenizer.ggml.merges").unwrap_or_default(),
        bos: id("tokenizer.ggml.bos_token_id"),
        eos: id("tokenizer.ggml.eos_token_id"),
        add_bos: file
            .metadata
            .get("tokenizer.ggml.add_bos_token")
            .and_then(GgufValue::as_bool)
            .unwrap_or(false),
        template: text_of(file, "tokenizer.chat_template"),
    })
}

pub(super) fn text_of(file: &Gguf, key: &str) -> Option<String> {
    file.metadata
        .get(key)
        .and_then(GgufValue::as_str)
        .map(String::from)
}

pub(super) fn number_of(file: &Gguf, key: &str) -> Option<f64> {
    file.metadata.get(key).and_then(GgufValue::as_f64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mlx_models::llama::Llama;
    use mlx_runtime::io::GgufFile;
    use mlx_runtime::model::{init, load, LoadOptions, Model};
    use mlx_runtime::nn::KvCache;
    use mlx_runtime::{ops, random, Array, Dtype};

    use super::*;

    /// Hugging Face's name of a tensor as llama.cpp writes it.
    fn renamed(name: &str) -> String {
        let mut name = name.replace("model.layers.", "blk.");
        for (from, to) in [
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("lm_head", "output"),
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
        ] {
            name = name.replace(from, to);
        }
        name
    }

    /// `LlamaModel.permute` of llama.cpp's converter.
    fn neighbours(a: &Array, heads: i32) -> Array {
        let rows = a.shape()[0];
        let split = ops::reshape(a, &[heads, 2, rows / heads / 2, -1]).unwrap();
        ops::reshape(&ops::swapaxes(&split, 1, 2).unwrap(), a.shape()).unwrap()
    }

    #[test]
    fn a_file_with_biases_and_without_is_the_model_that_was_written() {
        for (bias, tied) in [(true, false), (false, true)] {
            let config = Arc::new(Config {
                hidden_size: 32,
                num_hidden_layers: 2,
                intermediate_size: 48,
                num_attention_heads: 4,
                num_key_value_heads: 2,
                head_dim: 8,
                vocab_size: 20,
                rms_norm_eps: 1e-5,
                attention_bias: bias,
                mlp_bias: bias,
                tie_word_embeddings: tied,
                max_position_embeddings: 64,
                ..Config::default()
            });
            let model: Llama = init(&config, random::key(3).unwrap(), Dtype::Float32).unwrap();
            let mut out = GgufFile::new().unwrap();
            for (name, a) in model.parameters() {
                let a = match name.split('.').nth(4) {
                    Some("q_proj") => neighbours(&a, 4),
                    Some("k_proj") => neighbours(&a, 2),
                    _ => a,
                };
                out.set_array(&renamed(&name), &a).unwrap();
            }
            for (key, n) in [
                ("attention.head_count", 4u32),
                ("attention.head_count_kv", 2),
                ("embedding_length", 32),
                ("block_count", 2),
                ("feed_forward_length", 48),
                ("context_length", 64),
            ] {
                let key = format!("llama.{key}");
                out.set_numbers(&key, &Array::scalar(n).unwrap()).unwrap();
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.gguf");
            out.save(&path).unwrap();

            let file = io::load_gguf(&path).unwrap();
            let found = super::config(&file).unwrap();
            assert_eq!(found, *config);
            let mut options = LoadOptions::new(Dtype::Float32);
            options.names = "gguf";
            let mut weights = file.arrays;
            reorder(&mut weights, &found).unwrap();
            let again: Llama = load(&Arc::new(found), weights.into(), &options).unwrap();
            let tokens = Array::from_slice(&[3i32, 14, 15], &[1, 3]).unwrap();
            let logits = |m: &Llama| {
                let y = m.forward(&tokens, &mut KvCache::off()).unwrap();
                y.to_vec::<f32>().unwrap()
            };
            assert_eq!(logits(&again), logits(&model));
        }
    }
}
