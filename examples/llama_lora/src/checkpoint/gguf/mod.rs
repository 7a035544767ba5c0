//! Opens a GGUF file as the Hugging Face folder that it was made from: names, values, order of rows, configuration and
//! tokenizer.
//!
//! Tests: `tests/export.rs`, and unit tests below.

mod config;
pub mod names;
mod rope;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use mlx_runtime::io::{self, Gguf, GgufValue};
use mlx_runtime::Array;
use serde_json::{json, Value};

use super::{Beside, Checkpoint};
use crate::text::{self, GgufVocab};
use names::Names;

/// Opens the file at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    let mut file = io::load_gguf(path)?;
    let mut read = || -> Result<Checkpoint> {
        let architecture = text_of(&file, "general.architecture").unwrap_or_default();
        let family = names::family(&architecture)?;
        let vocab = vocab(&file)?;
        let tokenizer_config = tokenizer_config(&vocab);
        let mut text = text::from_gguf(vocab)?;
        let (config, json) = config::read(&file, &architecture, family)?;
        config.check()?;
        text.limit(config.vocab_size, config.max_position_embeddings)?;
        let weights = renamed(std::mem::take(&mut file.arrays), &Names::of(&config)?)?;
        Ok(Checkpoint {
            config,
            weights,
            block_size: None,
            text,
            beside: Beside::Made {
                config: json,
                tokenizer_config,
            },
        })
    };
    read().with_context(|| format!("in {}", path.display()))
}

/// The `tokenizer_config.json` that says what the metadata says.
fn tokenizer_config(vocab: &GgufVocab) -> Value {
    let token = |id: Option<u32>| id.and_then(|id| vocab.tokens.get(id as usize));
    let mut all = json!({
        "bos_token": token(vocab.bos), "eos_token": token(vocab.eos), "unk_token": token(vocab.unknown),
        "chat_template": vocab.template,
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    if let Value::Object(map) = &mut all {
        map.retain(|_, value| !value.is_null());
    }
    all
}

/// Brings the tensors into Hugging Face's names, values and order of rows.
fn renamed(arrays: HashMap<String, Array>, names: &Names) -> Result<HashMap<String, Array>> {
    let weights = arrays
        .into_iter()
        .filter(|(name, _)| !rope::TABLES.contains(&name.as_str()));
    weights
        .map(|(theirs, array)| {
            let (name, change) = names.from_gguf(&theirs);
            Ok((name, change.from_gguf(&array)?))
        })
        .collect()
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
    let list = |key: &str| file.metadata.get(key);
    let types = list("tokenizer.ggml.token_type").and_then(GgufValue::as_ints);
    let scores = list("tokenizer.ggml.scores").and_then(GgufValue::as_floats);
    let scores = scores.unwrap_or_default();
    let flag = |key: &str| list(key).and_then(GgufValue::as_bool);
    let model = text_of(file, "tokenizer.ggml.model")
        .context("expected a tokenizer in the file, found none")?;
    Ok(GgufVocab {
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
        scores: scores.iter().map(|s| *s as f32).collect(),
        eot: id("tokenizer.ggml.eot_token_id"),
        unknown: id("tokenizer.ggml.unknown_token_id"),
        add_bos: flag("tokenizer.ggml.add_bos_token"),
        add_eos: flag("tokenizer.ggml.add_eos_token"),
        space_prefix: flag("tokenizer.ggml.add_space_prefix").unwrap_or(true),
        model,
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
            let json = serde_json::json!({
                "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48,
                "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 20, "rms_norm_eps": 1e-5,
                "attention_bias": bias, "mlp_bias": bias, "tie_word_embeddings": tied,
                "max_position_embeddings": 64,
            });
            let config = Arc::new(mlx_models::Config::parse(&json.to_string()).unwrap());
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
            let (found, _) = config::read(&file, "llama", mlx_models::Family::Llama).unwrap();
            assert_eq!(found, *config);
            let options = LoadOptions::new(Dtype::Float32);
            let weights = super::renamed(file.arrays, &Names::of(&found).unwrap()).unwrap();
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
