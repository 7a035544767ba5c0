//! Covers GGUF files that `fuse --export-gguf` writes, and that they are read as the folders that they were made of: names,
//! order of rows, blocks, metadata and tokenizer.
//!
//! llama.cpp is the reference. `export/check.py` loads every file that this test writes in it, compares its numbers with
//! mlx-lm's on the folder, and keeps the checksums of the files that passed in `export/verified.json`. With
//! `LLAMA_LORA_KEEP=FOLDER` the files stay for it.

#![allow(missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{write_tokenizer, Place};
use llama_lora::checkpoint::{self, Checkpoint};
use llama_lora::fetch::sha256;
use mlx_models::{dispatch, CausalLm, Config, Visitor};
use mlx_runtime::model::{init, load, LoadOptions};
use mlx_runtime::nn::{KvCache, RopeScaling};
use mlx_runtime::{io, random, Array, Dtype};
use serde_json::{json, Map, Value};

const VOCAB: usize = 320;

/// The families, and for each the keys that differ from the others.
fn configs() -> Vec<(&'static str, Value)> {
    vec![
        (
            "llama",
            json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, "attention_bias": true}),
        ),
        ("mistral", json!({"sliding_window": null})),
        (
            "qwen2",
            json!({"tie_word_embeddings": true, "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                "original_max_position_embeddings": 64}}),
        ),
        ("qwen3", json!({})),
        (
            "phi3",
            json!({"pad_token_id": 0, "max_position_embeddings": 1024, "original_max_position_embeddings": 256, "rope_scaling": {"type": "longrope",
                "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
                "long_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]}}),
        ),
        (
            "gemma2",
            // mlx-lm's Gemma 2 has no sliding layers.
            json!({"query_pre_attn_scalar": 16, "sliding_window": 256, "attn_logit_softcapping": 50.0,
                "final_logit_softcapping": 30.0, "hidden_activation": "gelu_pytorch_tanh"}),
        ),
        (
            "gemma3_text",
            json!({"query_pre_attn_scalar": 16, "sliding_window": 6, "sliding_window_pattern": 6,
                "num_hidden_layers": 7, "hidden_activation": "gelu_pytorch_tanh"}),
        ),
    ]
}

fn config(family: &str, more: &Value) -> Value {
    let mut all = json!({
        "model_type": family, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": VOCAB, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": 256, "eos_token_id": 2, "bos_token_id": 1,
        "tie_word_embeddings": family.starts_with("gemma"), "torch_dtype": "float32"
    });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

/// Names and shapes of a family's tensors.
struct Shapes(Arc<Config>);

impl Visitor for Shapes {
    type Output = Vec<(String, Vec<i32>)>;

    fn visit<M: CausalLm>(self) -> Self::Output {
        let model: M = init(&self.0, random::key(0).unwrap(), Dtype::Float32).unwrap();
        let all = model.parameters().into_iter();
        all.map(|(name, a)| (name, a.shape().to_vec())).collect()
    }
}

/// A model of numbers that are the same on every machine.
fn write_model(folder: &Path, config: &Value) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let parsed = Config::parse(&config.to_string()).unwrap();
    let gemma = config["model_type"].as_str().unwrap().starts_with("gemma");
    let mut state = 7u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut arrays = Vec::new();
    for (name, shape) in dispatch(parsed.family, Shapes(Arc::new(parsed.clone()))) {
        let size: i32 = shape.iter().product();
        let middle = f32::from(u8::from(
            shape.len() == 1 && name.contains("norm") && !gemma,
        ));
        let width = if shape.len() == 1 { 0.25 } else { 0.5 };
        let values: Vec<f32> = (0..size).map(|_| middle + width * uniform()).collect();
        arrays.push((name, Array::from_slice(&values, &shape).unwrap()));
    }
    io::save_safetensors(folder.join("model.safetensors"), &arrays, &HashMap::new()).unwrap();
}

/// A tokenizer as transformers converts SentencePiece's: bytes for what is no piece, a space before a text if `prefix`.
fn write_sentencepiece(folder: &Path, prefix: bool) {
    let mut vocab = Map::new();
    let mut add = |text: String| {
        let id = vocab.len();
        vocab.insert(text, json!(id));
    };
    for text in ["<unk>", "<s>", "</s>"] {
        add(text.into());
    }
    (0..256).for_each(|b| add(format!("<0x{b:02X}>")));
    for c in "▁abcdehlortw".chars() {
        add(c.into());
    }
    let merges = [
        ["▁", "t"],
        ["h", "e"],
        ["▁t", "he"],
        ["e", "r"],
        ["l", "l"],
        ["o", "r"],
        ["▁", "w"],
        ["▁w", "or"],
    ];
    merges.iter().for_each(|[a, b]| add(format!("{a}{b}")));
    let special = |id: usize, text: &str| json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let mut normalizers = vec![replace];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
    }
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": merges}
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": true,
        "tokenizer_class": "PreTrainedTokenizerFast"});
    std::fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
}

fn write_family(folder: &Path, family: &str, more: &Value) {
    write_model(folder, &config(family, more));
    match family {
        "mistral" | "phi3" => write_sentencepiece(folder, true),
        f if f.starts_with("gemma") => write_sentencepiece(folder, false),
        _ => {
            write_tokenizer(&folder.join("tokenizer.json"));
            let tokens = json!({"bos_token": "<s>", "eos_token": "</s>"});
            std::fs::write(folder.join("tokenizer_config.json"), tokens.to_string()).unwrap();
        }
    }
}

/// The logits of a few tokens.
struct Logits(Checkpoint);

impl Visitor for Logits {
    type Output = Vec<f32>;

    fn visit<M: CausalLm>(self) -> Vec<f32> {
        let mut options = LoadOptions::new(Dtype::Float32);
        options.strict = true;
        let config = Arc::new(self.0.config);
        let model: M = load(&config, self.0.weights.into(), &options).unwrap();
        let tokens: Vec<i32> = (0..12).map(|i| i * 23).collect();
        let tokens = Array::from_slice(&tokens, &[1, 12]).unwrap();
        let logits = model.logits(&tokens, &mut KvCache::off()).unwrap();
        logits.to_vec().unwrap()
    }
}

#[test]
fn a_file_is_read_as_the_folder_that_it_was_made_of() {
    let place = Place::new();
    let texts = [
        "the world or her",
        "two  spaces\nand a line",
        " Grüße, 世界 🦙",
        "",
        "well</s>the<s>",
    ];
    for (family, more) in configs() {
        write_family(&place.path(family), family, &more);
        place.ok(&format!(
            "fuse --no-adapter --model {family} --save-path out --overwrite --export-gguf --gguf-path {family}.gguf --gguf-type f32"
        ));
        let file = format!("out/{family}.gguf");
        let [folder, read] = [family, &file]
            .map(|name| checkpoint::open(place.path(name).to_str().unwrap()).unwrap());
        for text in texts {
            let ids = |c: &Checkpoint| c.text.encode(text, true).unwrap();
            assert_eq!(ids(&read), ids(&folder), "{family} {text:?}");
        }
        assert_eq!(read.text.eos(), folder.text.eos(), "{family}");
        // llama.cpp computes Mistral as a Llama, and a rotation by a table of factors.
        let mut config = read.config.clone();
        config.family = folder.config.family;
        config.rope_scaling = folder.config.rope_scaling.clone();
        assert_eq!(config, folder.config, "{family}");
        let names = |c: &Checkpoint| c.weights.keys().cloned().collect::<BTreeSet<String>>();
        assert_eq!(names(&read), names(&folder), "{family}");
        let described = read.beside.config();
        let table = matches!(folder.config.rope_scaling, Some(RopeScaling::Llama3 { .. }));
        assert_eq!(described.is_err(), table, "{family}");
        if let Ok(json) = described {
            assert_eq!(
                Config::parse(&json.to_string()).unwrap(),
                read.config,
                "{family}"
            );
        }
        let wanted = dispatch(folder.config.family, Logits(folder));
        let found = dispatch(read.config.family, Logits(read));
        assert_eq!(found.len(), wanted.len(), "{family}");
        for (a, b) in found.iter().zip(&wanted) {
            assert!(
                (a - b).abs() <= 1e-4 * (1.0 + b.abs()),
                "{family}: {a} and {b}"
            );
        }
    }
}

#[test]
fn every_family_and_type_is_the_file_that_llama_cpp_ran() {
    let place = Place::new();
    let root = match std::env::var_os("LLAMA_LORA_KEEP") {
        Some(folder) => PathBuf::from(folder),
        None => place.path("kept"),
    };
    let mut found = BTreeMap::new();
    for (family, more) in configs() {
        let folder = root.join(family);
        write_family(&folder, family, &more);
        for kind in ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"] {
            let out = root.join(format!("{family}-{kind}"));
            let file = format!("{kind}.gguf");
            place.ok(&format!(
                "fuse --no-adapter --model {} --save-path {} --overwrite --export-gguf --gguf-path {file} --gguf-type {kind}",
                folder.display(),
                out.display()
            ));
            found.insert(format!("{family} {kind}"), sha256(&out.join(file)).unwrap());
        }
    }
    let verified: BTreeMap<String, String> =
        serde_json::from_str(include_str!("export/verified.json")).unwrap();
    assert_eq!(found, verified);
}
