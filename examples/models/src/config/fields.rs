//! Every field of a `config.json` that a model here reads: the values that it may have. A field that a family does not
//! read may hold anything.
//!
//! Tests: `tests/config.rs`.

use anyhow::{bail, ensure, Context, Result};
use serde_json::{Map, Value};

use super::{Config, Family};
use crate::json;

/// An upper bound that no real model comes near. Products of three sizes fit 64 bits.
const SIZE: Kind = Kind::Whole(1, 1 << 24);
/// Numbers that index positions, which MLX counts in 32 bits.
const POSITIONS: Kind = Kind::Whole(1, (1 << 31) - 1);

/// The base of rotary periods.
const BASE: Kind = Between(1.0, f64::INFINITY);

/// The values that a field may have.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A whole number in this range, written without a point.
    Whole(u64, u64),
    /// A number between these two.
    Between(f64, f64),
    /// A number above the first and at most the second.
    UpTo(f64, f64),
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Wholes,
}

use Kind::{Between, Flag, Text, Texts, UpTo, Whole, Wholes};
use Need::{May, Must, Null};

/// A number that float32 can hold, above 0.
const POSITIVE: Kind = Between(0.0, f64::INFINITY);

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Whole(..) => value.as_u64().is_some_and(|n| self.holds_whole(n)),
            Between(..) | UpTo(..) => value.as_f64().is_some_and(|x| self.holds_number(x)),
            Flag => value.is_boolean(),
            Text => value.is_string() && json::not_finite(value).is_none(),
            Texts => value
                .as_array()
                .is_some_and(|l| l.iter().all(|v| Text.holds(v))),
            Wholes => value
                .as_array()
                .is_some_and(|l| l.iter().all(Value::is_u64)),
        }
    }

    fn holds_whole(self, n: u64) -> bool {
        matches!(self, Whole(least, most) if (least..=most).contains(&n))
    }

    /// Compares the value in float32, because the models compute with it.
    fn holds_number(self, x: f64) -> bool {
        let x = f64::from(x as f32);
        match self {
            Between(low, high) => x > low && x < high,
            UpTo(low, high) => x > low && x <= high,
            _ => false,
        }
    }

    fn expected(self) -> String {
        match self {
            Whole(least, most) => format!("a whole number from {least} to {most}"),
            Between(low, f64::INFINITY) => format!("a finite number above {low}"),
            Between(low, high) => format!("a number above {low} and below {high}"),
            UpTo(low, high) => format!("a number above {low} and at most {high}"),
            Flag => "true or false".to_owned(),
            Text => "a string".to_owned(),
            Texts => "a list of strings".to_owned(),
            Wholes => "a list of whole numbers".to_owned(),
        }
    }

    /// An error that names the field unless `value` is one of these.
    pub(super) fn check(self, name: &str, value: &Value) -> Result<()> {
        let (found, expected) = (json::shown(value), self.expected());
        ensure!(self.holds(value), "{name} is {found}, expected {expected}");
        Ok(())
    }
}

/// If a field has to be there.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    /// The field must be present.
    Must,
    /// The field may be left out.
    May,
    /// The field may be left out or `null`.
    Null,
}

/// A field under all its names, the first of which is this crate's.
struct Field {
    names: &'static [&'static str],
    kind: Kind,
    need: Need,
    read_by: fn(Family) -> bool,
}

const fn field(
    names: &'static [&'static str],
    kind: Kind,
    need: Need,
    read_by: fn(Family) -> bool,
) -> Field {
    Field {
        names,
        kind,
        need,
        read_by,
    }
}

fn all(_: Family) -> bool {
    true
}
fn gpt2(f: Family) -> bool {
    f == Family::Gpt2
}
fn rotates(f: Family) -> bool {
    !gpt2(f)
}
/// Layers may slide.
pub(super) fn slides(f: Family) -> bool {
    use Family::{Gemma2, Gemma3, GptOss, Mistral, Mixtral, Phi3};
    matches!(f, Mistral | Mixtral | Phi3 | Gemma2 | Gemma3 | GptOss)
}
fn gemma2(f: Family) -> bool {
    f == Family::Gemma2
}
fn gemma(f: Family) -> bool {
    matches!(f, Family::Gemma2 | Family::Gemma3)
}
fn alternates(f: Family) -> bool {
    gemma(f) || gpt_oss(f)
}
fn gpt_oss(f: Family) -> bool {
    f == Family::GptOss
}
fn deepseek(f: Family) -> bool {
    f == Family::DeepseekV2
}
fn qwen_moe(f: Family) -> bool {
    f == Family::Qwen3Moe
}
fn narrow_experts(f: Family) -> bool {
    qwen_moe(f) || deepseek(f)
}
fn listed_experts(f: Family) -> bool {
    matches!(f, Family::Mixtral | Family::Qwen3Moe | Family::GptOss)
}
fn experts(f: Family) -> bool {
    listed_experts(f) || deepseek(f)
}

const FIELDS: &[Field] = &[
    field(&["hidden_size", "n_embd"], SIZE, Must, all),
    field(
        &["num_hidden_layers", "n_layer"],
        Whole(1, 10_000),
        Must,
        all,
    ),
    field(&["intermediate_size"], SIZE, Must, rotates),
    field(&["intermediate_size", "n_inner"], SIZE, Null, gpt2),
    field(&["num_attention_heads", "n_head"], SIZE, Must, all),
    field(&["num_key_value_heads"], SIZE, Null, rotates),
    field(&["head_dim"], SIZE, Null, rotates),
    field(&["vocab_size"], SIZE, Must, all),
    field(
        &["rms_norm_eps", "layer_norm_epsilon"],
        Between(0.0, 1.0),
        Must,
        all,
    ),
    field(
        &["max_position_embeddings", "n_positions"],
        POSITIONS,
        Must,
        all,
    ),
    field(&["rope_theta"], BASE, Null, rotates),
    field(&["rope_local_base_freq"], BASE, Null, gemma),
    field(&["rope_traditional"], Flag, May, rotates),
    field(&["partial_rotary_factor"], UpTo(0.0, 1.0), Null, rotates),
    field(
        &["original_max_position_embeddings"],
        POSITIONS,
        Null,
        rotates,
    ),
    field(&["tie_word_embeddings"], Flag, Must, all),
    field(&["attention_bias"], Flag, May, all),
    field(&["mlp_bias"], Flag, May, all),
    field(&["hidden_act", "activation_function"], Text, May, all),
    field(&["hidden_activation"], Text, Null, gemma),
    field(&["scale_attn_by_inverse_layer_idx"], Flag, May, all),
    field(&["use_sliding_window"], Flag, May, all),
    field(&["sliding_window"], POSITIONS, Null, slides),
    field(
        &["sliding_window_pattern"],
        Whole(1, 10_000),
        May,
        alternates,
    ),
    field(&["layer_types"], Texts, Null, all),
    field(&["query_pre_attn_scalar"], POSITIVE, Must, gemma),
    field(&["attn_logit_softcapping"], POSITIVE, Must, gemma2),
    field(&["final_logit_softcapping"], POSITIVE, Null, gemma),
    field(
        &["num_local_experts", "num_experts"],
        Whole(1, 4096),
        Must,
        listed_experts,
    ),
    field(
        &["num_local_experts", "n_routed_experts"],
        Whole(1, 4096),
        Must,
        deepseek,
    ),
    field(&["num_experts_per_tok"], Whole(1, 4096), Must, experts),
    field(&["moe_intermediate_size"], SIZE, Must, narrow_experts),
    field(&["decoder_sparse_step"], Whole(1, 10_000), May, qwen_moe),
    field(&["mlp_only_layers"], Wholes, Null, qwen_moe),
    field(&["norm_topk_prob"], Flag, May, qwen_moe),
    field(&["swiglu_alpha"], POSITIVE, Must, gpt_oss),
    field(&["swiglu_limit"], POSITIVE, Must, gpt_oss),
    field(&["q_lora_rank"], SIZE, Null, deepseek),
    field(&["kv_lora_rank"], SIZE, Must, deepseek),
    field(&["qk_nope_head_dim"], SIZE, Must, deepseek),
    field(&["qk_rope_head_dim"], SIZE, Must, deepseek),
    field(&["v_head_dim"], SIZE, Must, deepseek),
    field(&["n_shared_experts"], Whole(1, 4096), Must, deepseek),
    field(&["first_k_dense_replace"], Whole(0, 10_000), Must, deepseek),
    field(&["routed_scaling_factor"], POSITIVE, Must, deepseek),
];

/// The numbers inside `rope_scaling` and `rope_parameters`, whatever kind of scaling reads them.
const ROTATION: &[(&str, Kind)] = &[
    ("rope_theta", BASE),
    ("partial_rotary_factor", UpTo(0.0, 1.0)),
    ("factor", POSITIVE),
    ("low_freq_factor", POSITIVE),
    ("high_freq_factor", POSITIVE),
    ("original_max_position_embeddings", POSITIVE),
    ("attention_factor", POSITIVE),
    ("type", Text),
    ("rope_type", Text),
];

/// Gives each field of `file` this crate's name. A field that `family` does not read goes away.
///
/// # Errors
/// If a field is there under two names with two values.
pub(super) fn renamed(family: Family, file: Map<String, Value>) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    for (key, value) in file {
        let mut known = FIELDS
            .iter()
            .filter(|f| f.names.contains(&key.as_str()))
            .peekable();
        if known.peek().is_none() {
            out.insert(key, value);
            continue;
        }
        let Some(field) = known.find(|f| (f.read_by)(family)) else {
            continue;
        };
        let name = field.names[0];
        if let Some(other) = out.get(name) {
            ensure!(
                *other == value,
                "{} contradict each other: {} and {}",
                field.names.join(" and "),
                json::shown(other),
                json::shown(&value)
            );
        }
        out.insert(name.to_owned(), value);
    }
    Ok(out)
}

/// Checks every field that `family` reads.
///
/// # Errors
/// Names the first field that is missing or has a value that it cannot have, the value, and the expected values.
pub(super) fn check(family: Family, fields: &Map<String, Value>) -> Result<()> {
    for field in FIELDS.iter().filter(|f| (f.read_by)(family)) {
        let name = field.names[0];
        match fields.get(name) {
            None if field.need == Must => bail!("{name} is missing"),
            None => {}
            Some(Value::Null) if field.need == Null => {}
            Some(value) => field.kind.check(name, value)?,
        }
    }
    for name in ["rope_scaling", "rope_parameters"] {
        if let Some(value) = fields.get(name).filter(|v| !v.is_null() && rotates(family)) {
            rotation(value).context(name)?;
        }
    }
    Ok(())
}

/// Checks the numbers of a rotation, and of the nested rotations for each kind of layer.
fn rotation(value: &Value) -> Result<()> {
    let Value::Object(map) = value else {
        bail!("the value is {}, expected an object", json::shown(value));
    };
    for (key, value) in map.iter().filter(|(_, v)| !v.is_null()) {
        if let Some((_, kind)) = ROTATION.iter().find(|(name, _)| name == key) {
            kind.check(key, value)?;
        } else if matches!(key.as_str(), "long_factor" | "short_factor") {
            let list = value.as_array().map_or([].as_slice(), Vec::as_slice);
            ensure!(
                !list.is_empty(),
                "{key} is {}, expected a list of numbers",
                json::shown(value)
            );
            for number in list {
                POSITIVE.check(&format!("a number of {key}"), number)?;
            }
        } else if value.is_object() {
            rotation(value).with_context(|| key.clone())?;
        }
    }
    Ok(())
}

impl Config {
    /// Checks the numbers themselves and how they fit together, wherever they come from.
    ///
    /// # Errors
    /// Names the field, its value, and the expected values.
    pub fn check(&self) -> Result<()> {
        let whole = |name: &str, n: usize, kind: Kind| kind.check(name, &Value::from(n as u64));
        whole("hidden_size", self.hidden_size, SIZE)?;
        whole(
            "num_hidden_layers",
            self.num_hidden_layers,
            Whole(1, 10_000),
        )?;
        whole("intermediate_size", self.intermediate_size, SIZE)?;
        whole("num_attention_heads", self.num_attention_heads, SIZE)?;
        whole("num_key_value_heads", self.num_key_value_heads, SIZE)?;
        whole("head_dim", self.head_dim, SIZE)?;
        whole("vocab_size", self.vocab_size, SIZE)?;
        whole(
            "max_position_embeddings",
            self.max_position_embeddings,
            POSITIONS,
        )?;
        for (name, x, kind) in [
            ("rms_norm_eps", self.rms_norm_eps, Between(0.0, 1.0)),
            ("rope_theta", self.rope_theta, BASE),
        ] {
            ensure!(
                kind.holds_number(f64::from(x)),
                "{name} is {x}, expected {}",
                kind.expected()
            );
        }
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        ensure!(
            heads.is_multiple_of(kv_heads),
            "num_attention_heads is {heads}, expected a multiple of num_key_value_heads, {kv_heads}",
        );
        let width = heads as u64 * self.head_dim as u64;
        ensure!(
            width <= 1 << 24,
            "num_attention_heads * head_dim is {heads} * {} = {width}, expected at most {}",
            self.head_dim,
            1 << 24
        );
        if gpt2(self.family) {
            let hidden = self.hidden_size;
            ensure!(
                width == hidden as u64,
                "hidden_size is {hidden}, expected a multiple of num_attention_heads, {heads}"
            );
        } else {
            ensure!(
                self.head_dim.is_multiple_of(2),
                "head_dim is {}, expected an even number, because its values rotate in pairs",
                self.head_dim
            );
        }
        if experts(self.family) {
            let (each, of) = (self.num_experts_per_tok, self.num_local_experts);
            ensure!(
                each <= of,
                "num_experts_per_tok is {each}, expected at most the number of experts, {of}"
            );
        }
        Ok(())
    }
}
