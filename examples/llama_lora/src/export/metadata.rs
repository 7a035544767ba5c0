//! The sizes and constants of a model under llama.cpp's keys.
//!
//! Tests: `tests/export.rs`.

use std::f64::consts::PI;

use anyhow::{bail, ensure, Result};
use mlx_models::{Config, Family};
use mlx_runtime::nn::RopeScaling;

use super::container::{Header, Value};
use super::Type;
use crate::fuse::Merged;

/// The base of the rotation of Gemma 3's sliding layers, which llama.cpp takes for granted.
const GEMMA3_LOCAL: f32 = 10_000.0;

/// Writes everything but the tokenizer.
pub fn write(
    header: &mut Header,
    merged: &Merged,
    architecture: &str,
    matrices: Type,
) -> Result<()> {
    let c = &merged.config;
    check(c)?;
    header.set("general.architecture", Value::Text(architecture.into()));
    header.set("general.type", Value::Text("model".into()));
    // For a model of such a name llama.cpp expects Phi 3's own token, and fails without it.
    let lower = merged.name.to_lowercase();
    let phi = lower.contains("phi3") || lower.contains("phi-3");
    if !phi || merged.text.id_of("<|endoftext|>").is_some() {
        header.set("general.name", Value::Text(merged.name.clone()));
    }
    header.set("general.quantization_version", Value::U32(2));
    header.set("general.file_type", Value::U32(file_type(matrices)));
    let mut number = |key: &str, n: usize| -> Result<()> {
        header.set(
            format!("{architecture}.{key}"),
            Value::U32(u32::try_from(n)?),
        );
        Ok(())
    };
    number("vocab_size", c.vocab_size)?;
    number("context_length", c.max_position_embeddings)?;
    number("embedding_length", c.hidden_size)?;
    number("block_count", c.num_hidden_layers)?;
    number("feed_forward_length", c.intermediate_size)?;
    number("attention.head_count", c.num_attention_heads)?;
    number("attention.head_count_kv", c.num_key_value_heads)?;
    number("attention.key_length", c.head_dim)?;
    number("attention.value_length", c.head_dim)?;
    number("rope.dimension_count", c.rotary_dim)?;
    let slides = matches!(c.family, Family::Gemma2 | Family::Gemma3 | Family::Phi3);
    if slides {
        // 0 is none.
        number("attention.sliding_window", c.sliding_window.unwrap_or(0))?;
    }
    let mut real = |key: &str, x: f32| header.set(format!("{architecture}.{key}"), Value::F32(x));
    real("attention.layer_norm_rms_epsilon", c.rms_norm_eps);
    real("rope.freq_base", c.rope_theta);
    if c.family == Family::Gemma2 {
        real("attn_logit_softcapping", c.attn_logit_softcapping);
    }
    if let Some(cap) = c.final_logit_softcapping {
        real("final_logit_softcapping", cap);
    }
    scaling(header, c, architecture)
}

/// Refuses models that llama.cpp would compute otherwise: it takes these numbers for granted.
fn check(c: &Config) -> Result<()> {
    let usual = (c.head_dim as f32).powf(-0.5);
    // Its largest Gemmas have another factor.
    let known = match (c.family, c.num_hidden_layers) {
        (Family::Gemma2, 46) | (Family::Gemma3, 62) => {
            (c.hidden_size as f32 / c.num_attention_heads as f32).powf(-0.5)
        }
        _ => usual,
    };
    ensure!(
        !matches!(c.family, Family::Gemma2 | Family::Gemma3) || (c.attention_scale - known).abs() < 1e-6,
        "unsupported query_pre_attn_scalar: llama.cpp multiplies scores by {known}, the model by {}",
        c.attention_scale
    );
    let distance = match c.family {
        Family::Gemma2 => Some(2),
        Family::Gemma3 => Some(6),
        _ => None,
    };
    if let Some(distance) =
        distance.filter(|d| c.sliding_window.is_some() && *d != c.sliding_window_pattern)
    {
        bail!(
            "unsupported sliding_window_pattern: llama.cpp has {distance}, the model {}",
            c.sliding_window_pattern
        );
    }
    ensure!(
        c.family != Family::Mistral || c.sliding_window.is_none_or(|w| w >= c.max_position_embeddings),
        "unsupported sliding_window of {}: llama.cpp's llama has none; set max_position_embeddings of config.json to it to export a model for shorter texts",
        c.sliding_window.unwrap_or(0)
    );
    ensure!(
        c.family != Family::Gemma3
            || c.rope_local_base_freq == GEMMA3_LOCAL && c.rope_local_scaling.is_none(),
        "unsupported rotation of sliding layers: llama.cpp has a base of {GEMMA3_LOCAL} without scaling"
    );
    Ok(())
}

fn scaling(header: &mut Header, c: &Config, architecture: &str) -> Result<()> {
    let mut set =
        |key: &str, value: Value| header.set(format!("{architecture}.rope.scaling.{key}"), value);
    match &c.rope_scaling {
        None | Some(RopeScaling::Llama3 { .. } | RopeScaling::Factors { .. }) => {}
        Some(RopeScaling::Linear { factor }) => {
            set("type", Value::Text("linear".into()));
            set("factor", Value::F32(*factor));
        }
        Some(RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            beta_fast,
            beta_slow,
            truncate,
            magnitude,
        }) => {
            ensure!(
                *truncate,
                "unsupported rope scaling yarn with truncate: false"
            );
            set("type", Value::Text("yarn".into()));
            set("factor", Value::F32(*factor));
            let first = *original_max_position_embeddings as u32;
            set("original_context_length", Value::U32(first));
            set("yarn_beta_fast", Value::F32(*beta_fast));
            set("yarn_beta_slow", Value::F32(*beta_slow));
            let grown = 1.0 + 0.1 * factor.max(1.0).ln();
            if (magnitude / grown - 1.0).abs() > 1e-6 {
                set("yarn_attn_factor", Value::F32(magnitude / grown));
            }
        }
        Some(RopeScaling::LongRope {
            original_max_position_embeddings,
            magnitude,
            ..
        }) => {
            let first = u32::try_from(*original_max_position_embeddings)?;
            set("original_context_length", Value::U32(first));
            set("attn_factor", Value::F32(*magnitude));
        }
        Some(other) => bail!("unsupported rope scaling for llama.cpp: {other:?}"),
    }
    // The tables of phi3 have no kind of their own.
    if matches!(c.rope_scaling, Some(RopeScaling::LongRope { .. })) && c.family != Family::Phi3 {
        set("type", Value::Text("longrope".into()));
    }
    if c.family == Family::Phi3 && c.rope_scaling.is_none() {
        set(
            "original_context_length",
            Value::U32(u32::try_from(c.max_position_embeddings)?),
        );
    }
    Ok(())
}

/// Tables of factors of the rotation.
pub fn tables(c: &Config) -> Result<Vec<(String, Vec<f32>)>> {
    Ok(match &c.rope_scaling {
        Some(RopeScaling::Factors { factors }) => {
            vec![("rope_freqs.weight".into(), factors.clone())]
        }
        Some(RopeScaling::LongRope {
            long_factors,
            short_factors,
            ..
        }) => vec![
            ("rope_factors_long.weight".into(), long_factors.clone()),
            ("rope_factors_short.weight".into(), short_factors.clone()),
        ],
        Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        }) => {
            let [factor, low, high, first] = [
                *factor,
                *low_freq_factor,
                *high_freq_factor,
                *original_max_position_embeddings,
            ]
            .map(f64::from);
            let pairs = c.rotary_dim / 2;
            let of_pair = |i: usize| {
                let wave = 2.0 * PI * f64::from(c.rope_theta).powf(i as f64 / pairs as f64);
                if wave < first / high {
                    1.0
                } else if wave > first / low {
                    factor
                } else {
                    let smooth = (first / wave - low) / (high - low);
                    1.0 / ((1.0 - smooth) / factor + smooth)
                }
            };
            let factors = (0..pairs).map(|i| of_pair(i) as f32).collect();
            vec![("rope_freqs.weight".into(), factors)]
        }
        _ => Vec::new(),
    })
}

/// llama.cpp's number of a file with most matrices in this type.
fn file_type(matrices: Type) -> u32 {
    match matrices {
        Type::F32 => 0,
        Type::F16 => 1,
        Type::Q4_0 => 2,
        Type::Q4_1 => 3,
        Type::Q8_0 => 7,
        Type::Bf16 => 32,
    }
}
