//! `config.json`: the model's part is read by the models' crate, what was done to the weights here.

use anyhow::{bail, Result};
use mlx_models::Config;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Packing {
    quantization_config: Option<Value>,
    quantization: Option<Value>,
}

/// Reads the text of a `config.json`: the sizes, and how many weights share a scale in quantised matrices.
pub fn parse(text: &str) -> Result<(Config, i32)> {
    let raw: Packing = serde_json::from_str(text)?;
    // MLX's own scheme has no name; anything else was packed by another program.
    let packed = raw.quantization_config.unwrap_or(Value::Null);
    if let (None, Some(method)) = (&raw.quantization, packed["quant_method"].as_str()) {
        bail!("its weights are quantised by {method:?}; only MLX's own scheme is supported");
    }
    let group_size = raw
        .quantization
        .as_ref()
        .and_then(|q| q["group_size"].as_i64());
    let group_size = i32::try_from(group_size.unwrap_or(64))?;
    Ok((Config::parse(text)?, group_size))
}
