//! Reads `config.json`: the models' crate reads the model's part, and this module reads the packing of the weights.
//!
//! Tests: `tests/odd_configs.rs`.

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

/// The contents of a `config.json`.
pub struct Described {
    /// The sizes.
    pub config: Config,
    /// Rows and columns of a block of weights that shares a scale, if blocks do.
    pub block_size: Option<[i32; 2]>,
}

/// Reads the text of a `config.json`. How a matrix is packed follows from its tensors; a mode that is not known here
/// must not be taken for another one.
pub fn parse(text: &str) -> Result<Described> {
    let raw: Packing = mlx_models::json::read(text)?;
    let packed = raw.quantization_config.unwrap_or(Value::Null);
    let mut block_size = None;
    if raw.quantization.is_none() && !packed["quant_method"].is_null() {
        block_size = float8(&packed)?;
    }
    let packed = raw.quantization.unwrap_or(Value::Null);
    // Beside the model's own entry there may be one for each layer that is packed in another way.
    let layers = packed.as_object().into_iter().flat_map(|o| o.values());
    for entry in layers.chain([&packed]).filter(|e| e.is_object()) {
        let number = |key: &str| entry[key].as_i64().and_then(|n| i32::try_from(n).ok());
        let mode = entry["mode"].as_str().unwrap_or("affine");
        Quantization::new(mode, number("group_size"), number("bits"))?;
    }
    Ok(Described {
        config: Config::parse(text)?,
        block_size,
    })
}

/// The blocks of a scheme of eight-bit floats with scales; any other scheme of another program is an error.
fn float8(packed: &Value) -> Result<Option<[i32; 2]>> {
    let method = &packed["quant_method"];
    let detail = match method.as_str().unwrap_or_default() {
        "fp8" | "fbgemm_fp8" => None,
        "compressed-tensors" => Some(&packed["format"]).filter(|f| *f != "float-quantized"),
        "modelopt" => Some(&packed["quant_algo"]).filter(|a| *a != "FP8"),
        _ => Some(&Value::Null),
    };
    if let Some(detail) = detail {
        let detail = match detail {
            Value::Null => String::new(),
            other => format!(" ({other})"),
        };
        bail!(
            "unsupported quantisation {method}{detail}: only MLX's own scheme and weights in eight-bit floats \
             (fp8, fbgemm_fp8, compressed-tensors' float-quantized, modelopt's FP8) are supported"
        );
    }
    let block = &packed["weight_block_size"];
    if block.is_null() {
        return Ok(None);
    }
    let size = |i: usize| {
        let size = block[i].as_i64().and_then(|n| i32::try_from(n).ok());
        size.filter(|n| *n > 0)
    };
    match (size(0), size(1), block[2].is_null()) {
        (Some(rows), Some(columns), true) => Ok(Some([rows, columns])),
        _ => bail!("weight_block_size is {block}, expected two numbers above 0"),
    }
}
