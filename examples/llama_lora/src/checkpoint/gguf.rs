//! A GGUF file of the llama architecture. The model knows its tensors by GGUF's names too.

use std::path::Path;

use anyhow::{ensure, Context, Result};
use mlx_runtime::io::{self, Gguf, GgufValue};

use super::Checkpoint;
use crate::text::{self, GgufVocab};
use mlx_models::Config;

/// Opens the file at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    let file = io::load_gguf(path)?;
    let read = || -> Result<Checkpoint> {
        let architecture = text_of(&file, "general.architecture").unwrap_or_default();
        ensure!(
            architecture == "llama",
            "the architecture is {architecture:?}; only llama is supported"
        );
        ensure!(
            !file.arrays.contains_key("rope_freqs.weight"),
            "its rotation is scaled by a table (rope_freqs), which is not supported; use the Hugging Face folder"
        );
        let mut text = text::from_gguf(vocab(&file)?)?;
        let config = config(&file)?;
        text.limit(config.vocab_size)?;
        Ok(Checkpoint {
            config,
            weights: file.arrays,
            names: "gguf",
            text,
        })
    };
    read().with_context(|| format!("in {}", path.display()))
}

fn config(file: &Gguf) -> Result<Config> {
    let int = |key: &str| -> Result<usize> {
        let value = number_of(file, &format!("llama.{key}"))
            .with_context(|| format!("the metadata lacks llama.{key}"))?;
        ensure!(
            (1.0..=1e9).contains(&value),
            "llama.{key} of the metadata is {value}"
        );
        Ok(value as usize)
    };
    let heads = int("attention.head_count")?;
    let hidden = int("embedding_length")?;
    let kv_heads = int("attention.head_count_kv").unwrap_or(heads);
    ensure!(
        hidden % heads == 0 && heads % kv_heads == 0,
        "{hidden} features, {heads} heads and {kv_heads} key-value heads do not divide"
    );
    let embedding = file
        .arrays
        .get("token_embd.weight")
        .context("there is no token_embd.weight")?;
    let number = |key: &str| number_of(file, &format!("llama.{key}"));
    Ok(Config {
        hidden_size: hidden,
        num_hidden_layers: int("block_count")?,
        intermediate_size: int("feed_forward_length")?,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim: int("attention.key_length").unwrap_or(hidden / heads),
        vocab_size: usize::try_from(embedding.dim(0)?)?,
        rms_norm_eps: number("attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32,
        rope_theta: number("rope.freq_base").unwrap_or(10_000.0) as f32,
        // GGUF stores the rows of q and k in the order that pairs neighbours.
        rope_traditional: true,
        rope_scaling: None,
        tie_word_embeddings: !file.arrays.contains_key("output.weight"),
        // Nothing but the tensors says so.
        attention_bias: file.arrays.contains_key("blk.0.attn_q.bias"),
        mlp_bias: file.arrays.contains_key("blk.0.ffn_up.bias"),
        max_position_embeddings: int("context_length").unwrap_or(2048),
        ..Config::default()
    })
}

/// The tokenizer's part of the metadata.
fn vocab(file: &Gguf) -> Result<GgufVocab> {
    let texts = |key: &str| {
        let list = file.metadata.get(key).and_then(GgufValue::as_texts);
        list.map(<[String]>::to_vec)
            .with_context(|| format!("the metadata lacks {key}"))
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
        model: text_of(file, "tokenizer.ggml.model").context("the file holds no tokenizer")?,
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

fn text_of(file: &Gguf, key: &str) -> Option<String> {
    file.metadata
        .get(key)
        .and_then(GgufValue::as_str)
        .map(String::from)
}

fn number_of(file: &Gguf, key: &str) -> Option<f64> {
    file.metadata.get(key).and_then(GgufValue::as_f64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mlx_models::llama::Llama;
    use mlx_runtime::io::GgufFile;
    use mlx_runtime::model::{init, load, LoadOptions, Model};
    use mlx_runtime::nn::KvCache;
    use mlx_runtime::{random, Array, Dtype};

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
                rope_traditional: true,
                attention_bias: bias,
                mlp_bias: bias,
                tie_word_embeddings: tied,
                max_position_embeddings: 64,
                ..Config::default()
            });
            let model: Llama = init(&config, random::key(3).unwrap(), Dtype::Float32).unwrap();
            let mut out = GgufFile::new().unwrap();
            for (name, a) in model.parameters() {
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
            let again: Llama = load(&Arc::new(found), file.arrays.into(), &options).unwrap();
            let tokens = Array::from_slice(&[3i32, 14, 15], &[1, 3]).unwrap();
            let logits = |m: &Llama| {
                let y = m.forward(&tokens, &mut KvCache::off()).unwrap();
                y.to_vec::<f32>().unwrap()
            };
            assert_eq!(logits(&again), logits(&model));
        }
    }
}
