//! The sizes and constants of a language model, read from a Hugging Face `config.json`.

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::nn::RopeScaling;
use serde::Deserialize;
use serde_json::Value;

/// Which model a config describes: its `model_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Llama 1 to 3 and what was trained on its plan.
    #[default]
    Llama,
}

impl Family {
    /// Every family, in the order in which messages list them.
    pub const ALL: &[Family] = &[Family::Llama];

    /// The `model_type` of its configs.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Llama => "llama",
        }
    }

    /// The family of a `model_type`.
    ///
    /// # Errors
    /// If no model here is of that type; the message lists those that are.
    pub fn of(model_type: &str) -> Result<Family> {
        let found = Family::ALL.iter().find(|f| f.model_type() == model_type);
        found.copied().with_context(|| {
            let known: Vec<_> = Family::ALL.iter().map(|f| f.model_type()).collect();
            format!(
                "model_type is {model_type:?}; only {} models are supported",
                known.join(", ")
            )
        })
    }
}

/// The sizes and constants of all language families, named as in `config.json`. A family reads what
/// it has; the rest keeps its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which model this is.
    pub family: Family,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; each serves several query heads.
    pub num_key_value_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// Number of tokens known.
    pub vocab_size: usize,
    /// Added to the mean square in the norms.
    pub rms_norm_eps: f32,
    /// Base of the rotary periods.
    pub rope_theta: f32,
    /// Whether rotary pairs are neighbours (GGUF) or halves (Hugging Face).
    pub rope_traditional: bool,
    /// How the rotary periods are stretched, if they are.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the output projection is the embedding's table.
    pub tie_word_embeddings: bool,
    /// Whether the attention's projections have biases.
    pub attention_bias: bool,
    /// Whether the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// The longest text the model was made for.
    pub max_position_embeddings: usize,
}

impl Default for Config {
    /// Llama's constants; sizes are 0, which no model loads with.
    fn default() -> Self {
        Config {
            family: Family::Llama,
            hidden_size: 0,
            num_hidden_layers: 0,
            intermediate_size: 0,
            num_attention_heads: 0,
            num_key_value_heads: 0,
            head_dim: 0,
            vocab_size: 0,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            rope_traditional: false,
            rope_scaling: None,
            tie_word_embeddings: false,
            attention_bias: false,
            mlp_bias: false,
            max_position_embeddings: 2048,
        }
    }
}

/// The keys that matter; what is missing has the family's default, as in `transformers`.
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
    rms_norm_eps: Option<f64>,
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
}

impl Config {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// If the family is not known, a size is missing or contradicts another, or the config asks
    /// for something that the model here does not do.
    pub fn parse(text: &str) -> Result<Config> {
        let raw: Raw = serde_json::from_str(text)?;
        let family = Family::of(&raw.model_type)?;
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
        Ok(Config {
            family,
            hidden_size: raw.hidden_size,
            num_hidden_layers: raw.num_hidden_layers,
            intermediate_size: raw.intermediate_size,
            num_attention_heads: raw.num_attention_heads,
            num_key_value_heads: kv_heads,
            head_dim,
            vocab_size: raw.vocab_size,
            rms_norm_eps: raw.rms_norm_eps.unwrap_or(1e-6) as f32,
            rope_theta: theta as f32,
            rope_traditional: raw.rope_traditional.unwrap_or(false),
            rope_scaling: rope_scaling(&scaling).context("rope_scaling")?,
            tie_word_embeddings: raw.tie_word_embeddings,
            attention_bias: raw.attention_bias,
            mlp_bias: raw.mlp_bias,
            max_position_embeddings: raw.max_position_embeddings.unwrap_or(2048),
        })
    }
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
