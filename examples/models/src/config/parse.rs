//! Parses a `config.json` to a [`Config`]: each family's defaults are those of `transformers`, and every setting that
//! the models here would ignore is checked.
//!
//! Tests: `tests/config.rs`.

use anyhow::{bail, ensure, Context, Result};
use serde::Deserialize;
use serde_json::{json, Map, Value};

use super::{rope, Config, Family};

/// The keys that matter, over the family's defaults.
#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(alias = "n_embd")]
    hidden_size: usize,
    #[serde(alias = "n_layer")]
    num_hidden_layers: usize,
    #[serde(alias = "n_inner")]
    intermediate_size: Option<usize>,
    #[serde(alias = "n_head")]
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    #[serde(alias = "layer_norm_epsilon")]
    rms_norm_eps: f64,
    pub(super) rope_theta: Option<f64>,
    rope_traditional: Option<bool>,
    pub(super) rope_scaling: Option<Value>,
    pub(super) rope_parameters: Option<Value>,
    pub(super) rope_local_base_freq: Option<f64>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    tie_word_embeddings: bool,
    #[serde(alias = "n_positions")]
    pub(super) max_position_embeddings: Option<usize>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(alias = "activation_function")]
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    use_sliding_window: bool,
    sliding_window: Option<usize>,
    sliding_window_pattern: Option<usize>,
    layer_types: Option<Vec<String>>,
    query_pre_attn_scalar: Option<f64>,
    attn_logit_softcapping: Option<f64>,
    final_logit_softcapping: Option<f64>,
    num_local_experts: Option<usize>,
    num_experts_per_tok: Option<usize>,
    moe_intermediate_size: Option<usize>,
    decoder_sparse_step: Option<usize>,
    mlp_only_layers: Option<Vec<usize>>,
    #[serde(default)]
    norm_topk_prob: bool,
    swiglu_alpha: Option<f64>,
    swiglu_limit: Option<f64>,
    q_lora_rank: Option<usize>,
    kv_lora_rank: Option<usize>,
    qk_nope_head_dim: Option<usize>,
    qk_rope_head_dim: Option<usize>,
    v_head_dim: Option<usize>,
    n_shared_experts: Option<usize>,
    first_k_dense_replace: Option<usize>,
    routed_scaling_factor: Option<f64>,
}

/// The defaults of `transformers` for keys that the file lacks. Sizes have no defaults.
fn defaults(family: Family) -> Value {
    match family {
        Family::Llama => json!({"rms_norm_eps": 1e-6, "max_position_embeddings": 2048}),
        Family::Mistral => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 131072, "num_key_value_heads": 8,
            "sliding_window": 4096,
        }),
        Family::Mixtral => json!({
            "rms_norm_eps": 1e-5, "max_position_embeddings": 131072, "num_key_value_heads": 8,
            "num_local_experts": 8, "num_experts_per_tok": 2,
        }),
        Family::Qwen2 => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 32768, "num_key_value_heads": 32,
        }),
        Family::Qwen3 => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 32768, "num_key_value_heads": 32,
            "head_dim": 128,
        }),
        Family::Qwen3Moe => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 32768, "num_key_value_heads": 4,
            "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
        }),
        Family::Phi3 => json!({"rms_norm_eps": 1e-5, "max_position_embeddings": 4096}),
        Family::Gemma2 => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 8192, "num_key_value_heads": 4,
            "head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 4096,
            "sliding_window_pattern": 2, "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0, "tie_word_embeddings": true,
        }),
        Family::Gemma3 => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 131072, "num_key_value_heads": 4,
            "head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 4096,
            "sliding_window_pattern": 6, "tie_word_embeddings": true,
        }),
        Family::Gpt2 => json!({
            "layer_norm_epsilon": 1e-5, "n_positions": 1024, "tie_word_embeddings": true,
        }),
        Family::Olmo2 => json!({"rms_norm_eps": 1e-5, "max_position_embeddings": 2048}),
        Family::GptOss => json!({
            "rms_norm_eps": 1e-5, "max_position_embeddings": 131072, "num_key_value_heads": 8,
            "head_dim": 64, "attention_bias": true, "num_local_experts": 128,
            "num_experts_per_tok": 4, "sliding_window": 128, "sliding_window_pattern": 2,
            "swiglu_alpha": 1.702, "swiglu_limit": 7.0,
            "rope_parameters": {
                "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                "truncate": false, "original_max_position_embeddings": 4096, "rope_theta": 150000.0,
            },
        }),
        Family::DeepseekV2 => json!({
            "rms_norm_eps": 1e-6, "max_position_embeddings": 2048, "n_routed_experts": 64,
            "moe_intermediate_size": 1407, "q_lora_rank": 1536, "kv_lora_rank": 512,
            "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
            "n_shared_experts": 2, "first_k_dense_replace": 0, "routed_scaling_factor": 1.0,
        }),
    }
}

/// The kinds of attention that `layer_types` names.
const LAYERS: [&str; 2] = ["full_attention", "sliding_attention"];

/// The activation of the feed-forward part, by all its names.
fn activations(family: Family) -> &'static [&'static str] {
    match family {
        Family::Gemma2 | Family::Gemma3 | Family::Gpt2 => {
            &["gelu_pytorch_tanh", "gelu_new", "gelu_approx"]
        }
        _ => &["silu", "swish"],
    }
}

impl Config {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// If the family is not known, a size is missing or contradicts another, or the config asks
    /// for something that the model here does not do.
    pub fn parse(text: &str) -> Result<Config> {
        let Value::Object(file) = crate::json::parse(text)? else {
            bail!("expected a JSON object as config");
        };
        let model_type = file.get("model_type").and_then(Value::as_str);
        let family = Family::of(model_type.context("model_type is missing")?)?;
        let raw = raw(family, file)?;
        check(family, &raw)?;
        let (heads, hidden) = (raw.num_attention_heads, raw.hidden_size);
        let head_dim = match raw.qk_rope_head_dim.or(raw.head_dim) {
            Some(dim) => dim,
            None => {
                ensure!(
                    hidden.is_multiple_of(heads),
                    "hidden_size is {hidden}, expected a multiple of num_attention_heads, {heads}, or a head_dim",
                );
                hidden / heads
            }
        };
        let kv_heads = raw.num_key_value_heads.unwrap_or(heads);
        ensure!(
            heads.is_multiple_of(kv_heads),
            "num_attention_heads is {heads}, expected a multiple of num_key_value_heads, {kv_heads}",
        );
        let rope = rope::parse(family, &raw, head_dim)?;
        let unset = Config::default();
        let number = |n: Option<f64>, default: f32| n.map_or(default, |n| n as f32);
        let config = Config {
            family,
            hidden_size: hidden,
            num_hidden_layers: raw.num_hidden_layers,
            intermediate_size: raw.intermediate_size.unwrap_or(4 * hidden),
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            vocab_size: raw.vocab_size,
            rms_norm_eps: raw.rms_norm_eps as f32,
            rotary_dim: rope.dims,
            rope_theta: rope.theta,
            rope_traditional: raw.rope_traditional.unwrap_or(false),
            rope_scaling: rope.scaling,
            tie_word_embeddings: raw.tie_word_embeddings,
            attention_bias: raw.attention_bias,
            mlp_bias: raw.mlp_bias,
            max_position_embeddings: raw
                .max_position_embeddings
                .unwrap_or(unset.max_position_embeddings),
            sliding_window: raw.sliding_window.filter(|_| super::fields::slides(family)),
            sliding_window_pattern: pattern(&raw)?,
            rope_local_base_freq: rope.local_theta,
            rope_local_scaling: rope.local_scaling,
            embedding_scale: embedding_scale(family, hidden),
            attention_scale: attention_scale(&raw, head_dim, rope.raised),
            attn_logit_softcapping: number(raw.attn_logit_softcapping, 1.0),
            final_logit_softcapping: raw.final_logit_softcapping.map(|n| n as f32),
            num_local_experts: raw.num_local_experts.unwrap_or(0),
            num_experts_per_tok: raw.num_experts_per_tok.unwrap_or(0),
            moe_intermediate_size: raw.moe_intermediate_size.unwrap_or(0),
            decoder_sparse_step: raw.decoder_sparse_step.unwrap_or(1),
            norm_topk_prob: raw.norm_topk_prob,
            swiglu_alpha: number(raw.swiglu_alpha, unset.swiglu_alpha),
            swiglu_limit: number(raw.swiglu_limit, unset.swiglu_limit),
            q_lora_rank: raw.q_lora_rank,
            kv_lora_rank: raw.kv_lora_rank.unwrap_or(0),
            qk_nope_head_dim: raw.qk_nope_head_dim.unwrap_or(0),
            qk_rope_head_dim: raw.qk_rope_head_dim.unwrap_or(0),
            v_head_dim: raw.v_head_dim.unwrap_or(0),
            n_shared_experts: raw.n_shared_experts.unwrap_or(0),
            first_k_dense_replace: raw.first_k_dense_replace.unwrap_or(0),
            routed_scaling_factor: number(raw.routed_scaling_factor, 1.0),
        };
        config.check()?;
        ensure!(
            family == Family::Gpt2 || config.rotary_dim.is_multiple_of(2) && config.rotary_dim > 0,
            "partial_rotary_factor rotates {} values of head_dim {head_dim}, expected an even number",
            config.rotary_dim
        );
        Ok(config)
    }
}

/// The file's keys over the family's defaults, checked.
fn raw(family: Family, file: Map<String, Value>) -> Result<Raw> {
    let mut all = super::fields::renamed(family, object(defaults(family)))?;
    all.entry("tie_word_embeddings").or_insert(false.into());
    check_unread(family, &file)?;
    all.extend(super::fields::renamed(family, file)?);
    super::fields::check(family, &all)?;
    Ok(serde_json::from_value(Value::Object(all))?)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Refuses fields that the models here do not read and that change the results of transformers.
fn check_unread(family: Family, file: &Map<String, Value>) -> Result<()> {
    let neutral: &[(&str, Value)] = match family {
        Family::Gemma2 => &[("attention_bias", json!(false))],
        Family::Gemma3 => &[
            ("attention_bias", json!(false)),
            ("attn_logit_softcapping", Value::Null),
        ],
        Family::Gpt2 => &[("scale_attn_weights", json!(true))],
        Family::DeepseekV2 => &[
            ("topk_method", json!("greedy")),
            ("scoring_func", json!("softmax")),
            ("norm_topk_prob", json!(false)),
            ("moe_layer_freq", json!(1)),
        ],
        _ => &[],
    };
    for (name, only) in neutral {
        if let Some(value) = file.get(*name).filter(|v| *v != only) {
            bail!(
                "{name} is {}, expected {only}, because only that is supported for {}",
                crate::json::shown(value),
                family.model_type()
            );
        }
    }
    Ok(())
}

fn check(family: Family, raw: &Raw) -> Result<()> {
    let known = activations(family);
    // Gemma's older files name two, of which this one counts.
    let act = raw.hidden_activation.as_ref().or(raw.hidden_act.as_ref());
    if let Some(act) = act.filter(|a| !known.contains(&a.as_str())) {
        bail!(
            "unsupported hidden_act {act:?}: expected {}",
            known.first().unwrap_or(&"")
        );
    }
    ensure!(
        !raw.scale_attn_by_inverse_layer_idx,
        "unsupported scale_attn_by_inverse_layer_idx: expected false"
    );
    ensure!(
        raw.mlp_only_layers.as_ref().is_none_or(Vec::is_empty),
        "unsupported mlp_only_layers: expected an empty list"
    );
    let types: &[String] = raw.layer_types.as_deref().unwrap_or_default();
    if let Some(other) = types.iter().find(|t| !LAYERS.contains(&t.as_str())) {
        bail!(
            "layer_types holds {other:?}, expected {}",
            LAYERS.join(" or ")
        );
    }
    let listed = types.iter().any(|t| t == LAYERS[1]);
    ensure!(
        super::fields::slides(family) || !(raw.use_sliding_window || listed),
        "layers with a sliding window are not supported for {}",
        family.model_type()
    );
    ensure!(
        raw.layer_types.is_none() || types.len() == raw.num_hidden_layers,
        "layer_types lists {} layers, expected num_hidden_layers, {}",
        types.len(),
        raw.num_hidden_layers
    );
    Ok(())
}

/// Returns the distance between layers with full attention. Newer files list the kind of each layer instead of the
/// distance.
fn pattern(raw: &Raw) -> Result<usize> {
    if raw.sliding_window.is_none() {
        return Ok(1);
    }
    let Some(types) = &raw.layer_types else {
        return Ok(raw.sliding_window_pattern.unwrap_or(1).max(1));
    };
    let full: Vec<bool> = types.iter().map(|t| t == "full_attention").collect();
    let every = full.iter().position(|f| *f).map_or(types.len(), |i| i) + 1;
    let regular = full
        .iter()
        .enumerate()
        .all(|(i, f)| *f == ((i + 1) % every == 0));
    ensure!(
        regular,
        "unsupported layer_types: expected one full layer in each {every}"
    );
    Ok(every)
}

/// The factor of the attention's scores: Gemma names its own, DeepSeek has heads of two parts, both `raised`.
fn attention_scale(raw: &Raw, head_dim: usize, raised: f64) -> f32 {
    let scale = match (raw.query_pre_attn_scalar, raw.qk_nope_head_dim) {
        (Some(width), _) => width.powf(-0.5),
        (None, Some(nope)) => ((nope + head_dim) as f64).powf(-0.5) * raised * raised,
        (None, None) => (head_dim as f64).powf(-0.5),
    };
    scale as f32
}

/// Gemma multiplies its embedding by the root of its width, Gemma 3 by the bfloat16 next to it.
fn embedding_scale(family: Family, hidden: usize) -> f32 {
    let root = (hidden as f32).sqrt();
    match family {
        Family::Gemma2 => root,
        Family::Gemma3 => half::bf16::from_f32(root).to_f32(),
        _ => 1.0,
    }
}
