//! `config.json` of a Llama.

use anyhow::{bail, ensure, Context, Result};
use serde::Deserialize;
use serde_json::Value;

use mlx_runtime::nn::RopeScaling;

use crate::model::LlamaConfig;

/// The keys that matter; what is missing has Llama's default, as in `transformers`.
#[derive(Deserialize)]
struct Raw {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_traditional: Option<bool>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    #[serde(default)]
    tie_word_embeddings: bool,
    max_position_embeddings: Option<usize>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_act: Option<String>,
    quantization_config: Option<Value>,
    quantization: Option<Value>,
}

fn default_eps() -> f64 {
    1e-6
}

/// Reads the text of a `config.json`: the sizes, and how many weights share a scale in quantised matrices.
pub fn parse(text: &str) -> Result<(LlamaConfig, i32)> {
    let raw: Raw = serde_json::from_str(text)?;
    ensure!(
        raw.model_type == "llama",
        "model_type is {:?}; only Llama models are supported",
        raw.model_type
    );
    // MLX's own scheme has no name; anything else was packed by another program.
    let packed = raw.quantization_config.unwrap_or(Value::Null);
    if let (None, Some(method)) = (&raw.quantization, packed["quant_method"].as_str()) {
        bail!("its weights are quantised by {method:?}; only MLX's own scheme is supported");
    }
    if let Some(act) = raw.hidden_act.filter(|a| a != "silu" && a != "swish") {
        bail!("hidden_act is {act:?}; only silu is supported");
    }
    for (name, value) in [
        ("hidden_size", raw.hidden_size),
        ("num_hidden_layers", raw.num_hidden_layers),
        ("intermediate_size", raw.intermediate_size),
        ("num_attention_heads", raw.num_attention_heads),
        ("num_key_value_heads", raw.num_key_value_heads.unwrap_or(1)),
        ("head_dim", raw.head_dim.unwrap_or(1)),
        ("vocab_size", raw.vocab_size),
    ] {
        ensure!(
            (1..1 << 31).contains(&value),
            "{name} must be at least 1 and below 2^31, not {value}"
        );
    }
    let head_dim = match raw.head_dim {
        Some(dim) => dim,
        None => {
            ensure!(
                raw.hidden_size.is_multiple_of(raw.num_attention_heads),
                "hidden_size {} is no multiple of num_attention_heads {}, and there is no head_dim",
                raw.hidden_size,
                raw.num_attention_heads
            );
            raw.hidden_size / raw.num_attention_heads
        }
    };
    let kv_heads = raw.num_key_value_heads.unwrap_or(raw.num_attention_heads);
    ensure!(
        raw.num_attention_heads.is_multiple_of(kv_heads),
        "num_attention_heads {} is no multiple of num_key_value_heads {kv_heads}",
        raw.num_attention_heads
    );
    let group_size = raw
        .quantization
        .as_ref()
        .and_then(|q| q["group_size"].as_i64());
    let group_size = i32::try_from(group_size.unwrap_or(64))?;
    // Newer files gather the numbers of the rotation in one object.
    let rope = raw.rope_parameters.unwrap_or(Value::Null);
    let theta = raw
        .rope_theta
        .or(rope["rope_theta"].as_f64())
        .unwrap_or(10_000.0);
    ensure!(
        theta.is_finite() && theta > 0.0,
        "rope_theta must be above 0, not {theta}"
    );
    let scaling = raw.rope_scaling.filter(|v| !v.is_null()).unwrap_or(rope);
    let config = LlamaConfig {
        hidden_size: raw.hidden_size,
        num_hidden_layers: raw.num_hidden_layers,
        intermediate_size: raw.intermediate_size,
        num_attention_heads: raw.num_attention_heads,
        num_key_value_heads: kv_heads,
        head_dim,
        vocab_size: raw.vocab_size,
        rms_norm_eps: raw.rms_norm_eps as f32,
        rope_theta: theta as f32,
        rope_traditional: raw.rope_traditional.unwrap_or(false),
        rope_scaling: rope_scaling(&scaling).context("rope_scaling")?,
        tie_word_embeddings: raw.tie_word_embeddings,
        attention_bias: raw.attention_bias,
        mlp_bias: raw.mlp_bias,
        max_position_embeddings: raw.max_position_embeddings.unwrap_or(2048),
    };
    Ok((config, group_size))
}

fn rope_scaling(value: &Value) -> Result<Option<RopeScaling>> {
    let kind = value["rope_type"].as_str().or(value["type"].as_str());
    let number = |key: &str| {
        value[key]
            .as_f64()
            .map(|n| n as f32)
            .with_context(|| format!("{key} is missing"))
    };
    Ok(match kind {
        None | Some("default") => None,
        Some("linear") => Some(RopeScaling::Linear {
            factor: number("factor")?,
        }),
        Some("llama3") => Some(RopeScaling::Llama3 {
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_max_position_embeddings: number("original_max_position_embeddings")?,
        }),
        Some(other) => bail!("the kind {other:?} is not supported (known: linear, llama3)"),
    })
}
