//! A tiny random Llama on disk, its data, and the binary to run on them.

#![allow(dead_code, missing_docs)] // each test file uses its own part

pub mod gguf;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

/// A folder that goes away with the value.
pub struct Place {
    dir: tempfile::TempDir,
}

pub const LAYERS: usize = 2;
const HIDDEN: usize = 32;
const KV: usize = 16;
const INNER: usize = 48;
const VOCAB: usize = 258;

pub const TEMPLATE: &str =
    "{% for m in messages %}<s>{{ m['role'][0] }}:{{ m['content'] }}</s>{% endfor %}\
                        {% if add_generation_prompt %}<s>a:{% endif %}";

impl Place {
    /// A model in `model/` and data in `data/`.
    pub fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        write_model(&place.path("model"), 1);
        write_data(&place.path("data"));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary, in this folder, with `args` split at spaces.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llama_lora"));
        command
            .args(args.split_whitespace())
            .current_dir(self.dir.path())
            .env("LLAMA_LORA_CACHE", self.path("cache"));
        command
    }

    pub fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must work, and returns its stdout.
    pub fn ok(&self, args: &str) -> String {
        let out = self.run(args);
        assert!(out.status.success(), "{args}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    /// Runs a command that must fail with exit code 1 and one message, and returns the message.
    pub fn fails(&self, args: &str) -> String {
        message(&self.run(args), 1)
    }

    /// A short training run; more arguments may follow.
    pub fn train(&self, more: &str) -> String {
        self.ok(&format!("{TRAIN} {more}"))
    }
}

/// A training run of a second.
pub const TRAIN: &str =
    "train --model model --data data --iters 6 --batch-size 2 --learning-rate 1e-2 \
                         --lora-rank 2 --steps-per-report 1 --steps-per-eval 4 --val-batches 2 --overwrite";

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The one message of a run that ended with `code`: no panic, nothing but `error: ` and its text.
pub fn message(out: &Output, code: i32) -> String {
    let stderr = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    stderr[stderr.find("error: ").unwrap()..].to_owned()
}

pub fn write_data(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, rows) in [("train", 12), ("valid", 5), ("test", 5)] {
        let lines: String = (0..rows)
            .map(|i| {
                json!({"prompt": format!("{name} {i}?"), "completion": "x".repeat(i % 4 + 1)})
                    .to_string()
                    + "\n"
            })
            .collect();
        std::fs::write(folder.join(format!("{name}.jsonl")), lines).unwrap();
    }
}

pub fn config() -> Value {
    json!({
        "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": INNER,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCAB, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": false, "max_position_embeddings": 512, "eos_token_id": 257
    })
}

/// Names and shapes of the tensors.
pub fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut all = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCAB, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCAB, HIDDEN]),
    ];
    for i in 0..LAYERS {
        for (name, shape) in [
            ("self_attn.q_proj", vec![HIDDEN, HIDDEN]),
            ("self_attn.k_proj", vec![KV, HIDDEN]),
            ("self_attn.v_proj", vec![KV, HIDDEN]),
            ("self_attn.o_proj", vec![HIDDEN, HIDDEN]),
            ("mlp.gate_proj", vec![INNER, HIDDEN]),
            ("mlp.up_proj", vec![INNER, HIDDEN]),
            ("mlp.down_proj", vec![HIDDEN, INNER]),
            ("input_layernorm", vec![HIDDEN]),
            ("post_attention_layernorm", vec![HIDDEN]),
        ] {
            all.push((format!("model.layers.{i}.{name}.weight"), shape));
        }
    }
    all
}

pub fn write_model(folder: &Path, seed: u64) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config().to_string()).unwrap();
    std::fs::write(
        folder.join("tokenizer_config.json"),
        json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": TEMPLATE})
            .to_string(),
    )
    .unwrap();
    write_tokenizer(&folder.join("tokenizer.json"));
    write_safetensors(&folder.join("model.safetensors"), &shapes(), seed);
}

/// Bytes as tokens, and two special ones.
pub fn write_tokenizer(path: &Path) {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut vocab: Vocab = alphabet
        .iter()
        .enumerate()
        .map(|(i, c)| (c.to_string(), i as u32))
        .collect();
    vocab.insert("<s>".into(), 256);
    vocab.insert("</s>".into(), 257);
    let bpe = BPE::builder()
        .vocab_and_merges(vocab, vec![])
        .build()
        .unwrap();
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let special = ["<s>", "</s>"].map(|t| AddedToken::from(t, true));
    tokenizer.add_special_tokens(special).unwrap();
    tokenizer.save(path, false).unwrap();
}

/// Random float32 tensors, small, the same for the same seed.
pub fn write_safetensors(path: &Path, tensors: &[(String, Vec<usize>)], seed: u64) {
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    let mut state = seed;
    for (name, shape) in tensors {
        let start = data.len();
        for _ in 0..shape.iter().product::<usize>() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
            let value = if shape.len() == 1 { 1.0 } else { uniform * 0.3 };
            data.extend(value.to_le_bytes());
        }
        header.insert(
            name.clone(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
        );
    }
    let mut text = Value::Object(header).to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

/// Turns the adapter into one of mlx-lm's, which has its configuration in a separate file only.
pub fn strip_metadata(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut map: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    map.as_object_mut().unwrap().remove("__metadata__");
    let mut text = map.to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(text.as_bytes());
    out.extend(&bytes[8 + header..]);
    std::fs::write(path, out).unwrap();
}

/// Waits for the end of a run; fails if it hangs.
#[track_caller]
pub fn ends(command: &mut Command, what: &str) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{what} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}
