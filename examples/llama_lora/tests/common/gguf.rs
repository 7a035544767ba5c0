//! The tiny model as a GGUF file.

use std::path::Path;

use mlx_runtime::io::{self, GgufFile};
use mlx_runtime::{ops, Array};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::TEMPLATE;

/// `LlamaModel.permute` of llama.cpp's converter, along the last axis.
pub fn neighbours(a: &Array, heads: i32) -> Array {
    let (rows, size) = (a.shape()[0], *a.shape().last().unwrap());
    let split = ops::reshape(a, &[rows, heads, 2, size / heads / 2]).unwrap();
    ops::reshape(&ops::swapaxes(&split, 2, 3).unwrap(), a.shape()).unwrap()
}

/// Writes the model of a folder at `path`, as llama.cpp does.
pub fn write(model: &Path, path: &Path) {
    let mut out = GgufFile::new().unwrap();
    let turned = |a: &Array, heads| {
        let columns = ops::transpose(a, &[1, 0]).unwrap();
        let rows = ops::transpose(&neighbours(&columns, heads), &[1, 0]).unwrap();
        ops::contiguous(&rows, false).unwrap()
    };
    for (name, a) in io::load_safetensors(model.join("model.safetensors"))
        .unwrap()
        .0
    {
        let a = match name.split('.').nth(4) {
            Some("q_proj") => turned(&a, 4),
            Some("k_proj") => turned(&a, 2),
            _ => a,
        };
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
        out.set_array(&name, &a).unwrap();
    }
    out.set_text("general.architecture", "llama").unwrap();
    for (key, n) in [
        ("llama.attention.head_count", 4u32),
        ("llama.attention.head_count_kv", 2),
        ("llama.embedding_length", 32),
        ("llama.block_count", 2),
        ("llama.feed_forward_length", 48),
        ("llama.context_length", 512),
        ("tokenizer.ggml.bos_token_id", 256),
        ("tokenizer.ggml.eos_token_id", 257),
    ] {
        out.set_numbers(key, &Array::scalar(n).unwrap()).unwrap();
    }
    let mut tokens: Vec<String> = ByteLevel::alphabet()
        .into_iter()
        .map(String::from)
        .collect();
    tokens.sort_unstable();
    tokens.extend(["<s>", "</s>"].map(String::from));
    let types: Vec<i32> = (0..258).map(|i| if i < 256 { 1 } else { 3 }).collect();
    out.set_texts("tokenizer.ggml.tokens", &tokens).unwrap();
    let types = Array::from_slice(&types, &[258]).unwrap();
    out.set_numbers("tokenizer.ggml.token_type", &types)
        .unwrap();
    out.set_text("tokenizer.ggml.model", "gpt2").unwrap();
    out.set_text("tokenizer.ggml.pre", "gpt2").unwrap();
    out.set_text("tokenizer.chat_template", TEMPLATE).unwrap();
    out.save(path).unwrap();
}
