//! The rotation of a `config.json`, by the rules of `transformers` 5 (`modeling_rope_utils.py`): `rope_scaling` goes
//! before `rope_parameters`, their numbers go before those beside them, and each kind of layer may have its own.
//!
//! Tests: `tests/rope.rs`.

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::nn::RopeScaling;
use serde_json::Value;

use super::parse::Raw;
use super::Family;

/// The kinds of layers that numbers may be nested by.
const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The rotation of a model.
pub(super) struct Rotation {
    /// Values of a head that rotate.
    pub dims: usize,
    /// Base of the periods.
    pub theta: f32,
    /// The scaling of the periods.
    pub scaling: Option<RopeScaling>,
    /// The factor of queries and of keys (DeepSeek).
    pub raised: f64,
    /// Base of the periods of sliding layers.
    pub local_theta: f32,
    /// The scaling of the periods of sliding layers.
    pub local_scaling: Option<RopeScaling>,
}

/// Reads it.
pub(super) fn parse(family: Family, raw: &Raw, head_dim: usize) -> Result<Rotation> {
    let given = |v: &'_ Option<Value>| v.clone().filter(|v| !v.is_null());
    let empty = |v: &Value| v.as_object().is_some_and(serde_json::Map::is_empty);
    let parameters = given(&raw.rope_parameters).unwrap_or(Value::Null);
    let old = given(&raw.rope_scaling).filter(|v| !empty(v));
    let nested = [FULL, SLIDING].iter().any(|k| !parameters[k].is_null());
    let by_layer = |kind: &str| match nested {
        true => parameters[kind].clone(),
        false => parameters.clone(),
    };
    // Gemma 3's old form speaks of the layers that see everything, and leaves their other numbers.
    let full = match (old, nested) {
        (None, _) => by_layer(FULL),
        (Some(old), false) => old,
        (Some(old), true) => merged(by_layer(FULL), old),
    };
    for numbers in [&full, &by_layer(SLIDING)] {
        ensure!(
            numbers.is_null() || numbers.is_object(),
            "rope_scaling is {numbers}, expected an object"
        );
    }
    let own = family == Family::Gemma3;
    if nested && !own {
        let sliding = by_layer(SLIDING);
        ensure!(
            sliding.is_null() || sliding == full,
            "rope_parameters of their own for sliding layers are not supported for {}",
            family.model_type()
        );
    }
    let part = number(&full, "partial_rotary_factor")?.or(raw.partial_rotary_factor);
    let part = part.unwrap_or(1.0);
    ensure!(
        part == 1.0 || (family == Family::Phi3 && part > 0.0 && part < 1.0),
        "partial_rotary_factor is {part}, which is not supported for {}",
        family.model_type()
    );
    let theta = number(&full, "rope_theta")?.or(raw.rope_theta);
    let sliding = match nested && own {
        true => by_layer(SLIDING),
        false => Value::Null,
    };
    let stretched = scaling(family, raw, &full).context("rope_scaling")?;
    let local = number(&sliding, "rope_theta")?.or(raw.rope_local_base_freq);
    Ok(Rotation {
        dims: (head_dim as f64 * part) as usize,
        theta: base("rope_theta", theta.unwrap_or(default_theta(family)))?,
        raised: match stretched {
            Some(_) => raised(&full).context("rope_scaling")?,
            None => 1.0,
        },
        scaling: stretched,
        local_theta: base("rope_local_base_freq", local.unwrap_or(1e4))?,
        local_scaling: scaling(family, raw, &sliding).context("rope_scaling of sliding layers")?,
    })
}

/// The entries of `over`, and those of `under` that `over` lacks.
fn merged(under: Value, over: Value) -> Value {
    match (under, over) {
        (Value::Object(mut under), Value::Object(over)) => {
            under.extend(over);
            Value::Object(under)
        }
        (_, over) => over,
    }
}

/// The default base of the rotary periods.
fn default_theta(family: Family) -> f64 {
    match family {
        Family::Mixtral | Family::Gemma3 => 1e6,
        Family::GptOss => 1.5e5,
        _ => 1e4,
    }
}

fn base(name: &str, theta: f64) -> Result<f32> {
    ensure!(
        theta.is_finite() && theta > 0.0,
        "{name} is {theta}, expected a number above 0"
    );
    Ok(theta as f32)
}

/// The number under `key`, if there is something.
fn number(numbers: &Value, key: &str) -> Result<Option<f64>> {
    match &numbers[key] {
        Value::Null => Ok(None),
        value => {
            let n = value.as_f64();
            n.map(Some)
                .with_context(|| format!("{key} is {value}, expected a number"))
        }
    }
}

fn scaling(family: Family, raw: &Raw, numbers: &Value) -> Result<Option<RopeScaling>> {
    let kind = match [&numbers["rope_type"], &numbers["type"]] {
        [Value::Null, Value::Null] => return Ok(None),
        [Value::Null, kind] | [kind, _] => kind,
    };
    let kind = kind
        .as_str()
        .with_context(|| format!("the kind is {kind}, expected a string"))?;
    let needed = |key: &str| number(numbers, key)?.with_context(|| format!("{key} is missing"));
    let most = raw.max_position_embeddings.map(|n| n as f64);
    // The value beside the numbers takes precedence here, as in `transformers`.
    let first = || -> Result<f64> {
        let nested = number(numbers, "original_max_position_embeddings")?;
        let phi = (family == Family::Phi3).then_some(4096.0);
        let first = raw.original_max_position_embeddings.or(phi);
        let first = first.or(nested).or(most);
        let first = first.context("original_max_position_embeddings is missing")?;
        ensure!(
            first > 1.0,
            "original_max_position_embeddings is {first}, expected more than 1"
        );
        Ok(first)
    };
    // Phi 3 once called its factors so.
    let kind = match kind {
        "yarn" if family == Family::Phi3 => "longrope",
        "su" => "longrope",
        kind => kind,
    };
    Ok(match kind {
        "default" => None,
        "linear" => Some(RopeScaling::Linear {
            factor: needed("factor")? as f32,
        }),
        "llama3" => Some(RopeScaling::Llama3 {
            factor: needed("factor")? as f32,
            low_freq_factor: needed("low_freq_factor")? as f32,
            high_freq_factor: needed("high_freq_factor")? as f32,
            original_max_position_embeddings: first()? as f32,
        }),
        "dynamic" => {
            let most = most.context("max_position_embeddings is missing")?;
            Some(RopeScaling::Dynamic {
                factor: needed("factor")? as f32,
                max_position_embeddings: most as i32,
            })
        }
        "yarn" => Some(yarn(numbers, first()?, most)?),
        "longrope" => Some(long_rope(numbers, first()?, most)?),
        other => bail!(
            "unsupported kind {other:?}: expected default, linear, dynamic, yarn, longrope or llama3"
        ),
    })
}

/// The factor by which DeepSeek raises queries and keys where positions are stretched.
fn raised(numbers: &Value) -> Result<f64> {
    let by = number(numbers, "mscale_all_dim")?.unwrap_or(0.0);
    let factor = number(numbers, "factor")?.unwrap_or(1.0);
    Ok(yarn_magnitude(factor, by))
}

fn yarn_magnitude(factor: f64, by: f64) -> f64 {
    match factor > 1.0 {
        true => 0.1 * by * factor.ln() + 1.0,
        false => 1.0,
    }
}

fn yarn(numbers: &Value, first: f64, most: Option<f64>) -> Result<RopeScaling> {
    let factor = match number(numbers, "factor")? {
        Some(factor) => factor,
        None => most.context("factor is missing")? / first,
    };
    let of_scale = |by: f64| yarn_magnitude(factor, by);
    let set = |key: &str| Ok::<_, anyhow::Error>(number(numbers, key)?.filter(|n| *n != 0.0));
    let magnitude = match number(numbers, "attention_factor")? {
        Some(magnitude) => magnitude,
        None => match (set("mscale")?, set("mscale_all_dim")?) {
            (Some(one), Some(all)) => of_scale(one) / of_scale(all),
            _ => of_scale(1.0),
        },
    };
    let truncate = match &numbers["truncate"] {
        Value::Null => true,
        value => value
            .as_bool()
            .with_context(|| format!("truncate is {value}, expected true or false"))?,
    };
    Ok(RopeScaling::Yarn {
        factor: factor as f32,
        original_max_position_embeddings: first as f32,
        beta_fast: set("beta_fast")?.unwrap_or(32.0) as f32,
        beta_slow: set("beta_slow")?.unwrap_or(1.0) as f32,
        truncate,
        magnitude: magnitude as f32,
    })
}

fn long_rope(numbers: &Value, first: f64, most: Option<f64>) -> Result<RopeScaling> {
    let factors = |key: &str| -> Result<Vec<f32>> {
        let list = numbers[key].as_array();
        let list = list.with_context(|| format!("{key} is missing"))?.iter();
        let list: Option<Vec<f32>> = list.map(|f| Some(f.as_f64()? as f32)).collect();
        list.with_context(|| format!("expected {key} to be a list of numbers"))
    };
    let stretch = number(numbers, "factor")?.or(most.map(|m| m / first));
    let stretch = stretch.unwrap_or(1.0);
    let magnitude = match number(numbers, "attention_factor")? {
        Some(magnitude) => magnitude,
        None if stretch > 1.0 => (1.0 + stretch.ln() / first.ln()).sqrt(),
        None => 1.0,
    };
    Ok(RopeScaling::LongRope {
        long_factors: factors("long_factor")?,
        short_factors: factors("short_factor")?,
        original_max_position_embeddings: first as i32,
        magnitude: magnitude as f32,
    })
}
