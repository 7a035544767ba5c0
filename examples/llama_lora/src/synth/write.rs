//! Writes a drawn model as a Hugging Face folder.
//!
//! Tests: `tests/synth.rs`.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Result};
use serde_json::{json, Value};

use super::Recipe;
use crate::files::{ensure_writable, write_atomic};
use crate::settings::Packing;
use crate::shards::{packed, put, Shards, Written};
use crate::text::bytes;

/// Writes `recipe` to `folder`, in files of about `shard` bytes; `packing` makes it a folder as mlx-lm quantises one.
///
/// One file's tensors are in memory at a time. The index is written last: a folder without it was not finished.
pub fn write(
    recipe: &Recipe,
    folder: &Path,
    packing: Option<Packing>,
    shard: usize,
) -> Result<Written> {
    ensure_writable(folder)?;
    ensure!(
        fs::read_dir(folder)?.next().is_none(),
        "folder {} is not empty: --out names a new folder",
        folder.display()
    );
    let mut config = config(recipe)?;
    if let Some(p) = packing {
        config["quantization"] = serde_json::to_value(p)?;
    }
    put(folder, "config.json", &config)?;
    let tokenizer = bytes::tokenizer()?
        .to_string(true)
        .map_err(|e| anyhow::anyhow!("cannot write the tokenizer: {e}"))?;
    write_atomic(&folder.join("tokenizer.json"), tokenizer.as_bytes())?;
    put(folder, "tokenizer_config.json", &tokenizer_config())?;

    let mut out = Shards::new(folder, shard);
    // Each tensor is dropped as soon as its file is written.
    for (name, values) in recipe.tensors()? {
        for (name, part) in packed(name, values, packing.map(Packing::how))? {
            out.add(name, part)?;
        }
    }
    out.finish()
}

/// The `config.json` of a drawn model.
pub(super) fn config(recipe: &Recipe) -> Result<Value> {
    let mut config: Value = serde_json::from_str(&recipe.json)?;
    config["bos_token_id"] = json!(bytes::BOS.1);
    config["eos_token_id"] = json!(bytes::EOS.1);
    config["torch_dtype"] = json!(recipe.dtype().name());
    Ok(config)
}

/// The `tokenizer_config.json` of a drawn model.
pub(super) fn tokenizer_config() -> Value {
    json!({
        "bos_token": bytes::BOS.0, "eos_token": bytes::EOS.0, "chat_template": bytes::TEMPLATE,
        "tokenizer_class": "PreTrainedTokenizerFast",
    })
}
