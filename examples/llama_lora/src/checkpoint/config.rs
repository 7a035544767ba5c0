//! `config.json`: the model's part is read by the models' crate, what was done to the weights here.

use anyhow::{bail, Result};
use mlx_models::Config;
use mlx_runtime::model::Quantization;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Packing {
    quantization_config: Option<Value>,
    quantization: Option<Value>,
}

/// Reads the text of a `config.json`: the sizes. How a matrix is packed follows from its tensors; a mode that is not
/// known here must not be taken for another one.
pub fn parse(text: &str) -> Result<Config> {
    let raw: Packing = serde_json::from_str(text)?;
    // MLX's own scheme has no name; anything else was packed by another program.
    let packed = raw.quantization_config.unwrap_or(Value::Null);
    if let (None, Some(method)) = (&raw.quantization, packed["quant_method"].as_str()) {
        bail!("its weights are quantised by {method:?}; only MLX's own scheme is supported");
    }
    let packed = raw.quantization.unwrap_or(Value::Null);
    // Beside the model's own entry there may be one for each layer that is packed in another way.
    let layers = packed.as_object().into_iter().flat_map(|o| o.values());
    for entry in layers.chain([&packed]).filter(|e| e.is_object()) {
        let number = |key: &str| entry[key].as_i64().and_then(|n| i32::try_from(n).ok());
        let mode = entry["mode"].as_str().unwrap_or("affine");
        Quantization::new(mode, number("group_size"), number("bits"))?;
    }
    Config::parse(text)
}
