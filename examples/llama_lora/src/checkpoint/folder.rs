//! A Hugging Face folder, or one that mlx-lm converted.

use std::path::Path;

use anyhow::{Context, Result};
use mlx_runtime::io;

use super::{config, Checkpoint};
use crate::files::read_text;
use crate::text;

/// Opens the folder at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    let config_path = path.join("config.json");
    let described = config::parse(&read_text(&config_path)?).with_context(|| {
        format!(
            "{} describes no model that fits here",
            config_path.display()
        )
    })?;
    let config = described.config;
    let mut text = text::from_folder(path)?;
    text.limit(config.vocab_size, config.max_position_embeddings)?;
    let mut arrays = io::load_safetensors_folder(path)?;
    // Some exports repeat the embedding, and some keep the frequencies of the rotation.
    if config.tie_word_embeddings {
        arrays.remove("lm_head.weight");
    }
    arrays.retain(|name, _| !name.ends_with("rotary_emb.inv_freq"));
    Ok(Checkpoint {
        config,
        weights: arrays,
        block_size: described.block_size,
        names: "",
        text,
    })
}
