//! Opens a Hugging Face folder, or one that mlx-lm converted.
//!
//! Tests: `tests/foreign_checkpoints.rs`.

use std::path::Path;

use anyhow::{Context, Result};
use mlx_runtime::io;

use super::{config, Beside, Checkpoint};
use crate::files::read_text;
use crate::text;

/// Tensors that hold no weights: frequencies of a rotation, GPT-2's masks, and scales for activations, which are not
/// packed here.
const BUFFERS: [&str; 7] = [
    ".rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
    ".input_scale",
    ".output_scale",
    ".k_scale",
    ".v_scale",
];

/// Opens the folder at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    let config_path = path.join("config.json");
    let described = config::parse(&read_text(&config_path)?).with_context(|| {
        format!(
            "{} does not describe a supported model",
            config_path.display()
        )
    })?;
    let config = described.config;
    let mut text = text::from_folder(path)?;
    text.limit(config.vocab_size, config.max_position_embeddings)?;
    let mut arrays = io::load_safetensors_folder(path)?;
    // Some exports repeat the embedding.
    if config.tie_word_embeddings {
        arrays.remove("lm_head.weight");
    }
    arrays.retain(|name, _| !BUFFERS.iter().any(|end| name.ends_with(end)));
    Ok(Checkpoint {
        config,
        weights: arrays,
        block_size: described.block_size,
        text,
        beside: Beside::Folder(path.to_owned()),
    })
}
