//! The range of every number that a flag or a file sets, in one table.
//!
//! Tests: unit tests below.

use anyhow::{bail, ensure, Result};
use serde_yaml_ng::Value;

/// The numbers that a setting may have.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// Whole numbers from one to the other.
    Whole(i128, i128),
    /// Numbers above the first and at most the second.
    Above(f64, f64),
    /// Numbers from the first and below the second.
    Below(f64, f64),
    /// Numbers from the first to the second.
    From(f64, f64),
}

use Range::{Above, Below, From, Whole};

/// Optimisers and adapters compute in float32.
const MOST: f64 = f32::MAX as f64;
/// Enough for any run, and far below an overflow of step counts.
const COUNT: Range = Whole(1, 1_000_000_000_000);
const ROWS: Range = Whole(1, 65_536);
const RATE: Range = Above(0.0, MOST);
const SHARE: Range = Below(0.0, 1.0);
const POSITIVE: Range = Above(0.0, MOST);
const NOT_NEGATIVE: Range = From(0.0, MOST);

/// Each setting by its name in files; dots lead into mappings, and the parts of a list share a name.
const TABLE: &[(&str, Range)] = &[
    ("iters", COUNT),
    ("batch_size", ROWS),
    ("num_layers", Whole(-1, 10_000)),
    ("learning_rate", RATE),
    ("epochs", Whole(1, 1_000_000)),
    ("max_grad_norm", POSITIVE),
    ("max_grad_value", POSITIVE),
    ("save_total_limit", Whole(-1, 1_000_000)),
    ("early_stopping", Whole(1, 1_000_000)),
    ("grad_accumulation_steps", ROWS),
    ("max_skipped_steps", Whole(0, u32::MAX as i128)),
    ("max_seq_length", Whole(2, 1 << 24)),
    ("length_buckets", Whole(1, 1_000_000)),
    ("seed", Whole(0, u64::MAX as i128)),
    ("steps_per_report", COUNT),
    ("steps_per_eval", COUNT),
    ("save_every", COUNT),
    ("val_batches", Whole(-1, 1_000_000_000)),
    ("test_batches", Whole(-1, 1_000_000_000)),
    ("metrics_port", Whole(0, u16::MAX as i128)),
    ("lora.rank", ROWS),
    ("lora.scale", From(-MOST, MOST)),
    ("lora.dropout", SHARE),
    ("lora.patterns.rank", ROWS),
    ("lora.patterns.scale", From(-MOST, MOST)),
    ("loraplus_lr_ratio", POSITIVE),
    ("beta", POSITIVE),
    ("hf_dataset.weight", Above(0.0, 1000.0)),
    ("simpo_gamma", NOT_NEGATIVE),
    ("quantize.bits", Whole(2, 8)),
    ("quantize.group_size", Whole(16, 128)),
    // Schedules check their arguments, which mean something else in each.
    ("lr_schedule.arguments", From(-MOST, MOST)),
    ("lr_schedule.warmup", Whole(0, 1_000_000_000_000)),
    ("lr_schedule.warmup_init", NOT_NEGATIVE),
    // Whichever optimiser they belong to.
    ("betas", SHARE),
    ("beta_1", SHARE),
    ("eps", POSITIVE),
    ("weight_decay", NOT_NEGATIVE),
    ("momentum", SHARE),
    ("dampening", From(0.0, 1.0)),
    ("clip_threshold", POSITIVE),
    ("decay_rate", From(-1.0, 0.0)),
    ("ns_steps", Whole(1, 100)),
    // Flags of other commands.
    ("max_tokens", Whole(1, i32::MAX as i128)),
    ("temp", From(0.0, MOST)),
    ("top_p", Above(0.0, 1.0)),
    ("min_p", From(0.0, 1.0)),
    ("min_tokens_to_keep", Whole(1, 1 << 20)),
    ("top_k", Whole(0, 1 << 24)),
    ("repetition_penalty", POSITIVE),
    ("repetition_context_size", Whole(1, 1 << 24)),
    ("max_kv_size", Whole(8, 1 << 24)),
    ("prefill_step_size", Whole(1, 1 << 24)),
    ("tokens", Whole(1, 1 << 20)),
    ("steps", Whole(1, 1_000_000)),
    ("warmup", Whole(0, 1_000_000)),
    ("bandwidth", POSITIVE),
    ("tflops", POSITIVE),
];

/// Checks the number of a flag that files call `key`.
///
/// # Errors
/// Names the flag, the number, and the expected range.
pub fn flag(key: &str, number: impl Into<Value>) -> Result<()> {
    check(key, &format!("--{}", key.replace('_', "-")), &number.into())
}

/// Checks an adapter's rank and scale.
///
/// # Errors
/// As [`flag`].
pub fn lora(rank: impl Into<Value>, scale: f64) -> Result<()> {
    check("lora.rank", "--lora-rank", &rank.into())?;
    check("lora.scale", "--lora-scale", &scale.into())
}

/// Checks every number in `settings`.
///
/// # Errors
/// Names the first that is out of range, the number, and the expected range.
pub fn all(settings: &Value) -> Result<()> {
    walk(settings, &mut Vec::new())
}

fn walk<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Result<()> {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                path.push(key.as_str().unwrap_or_default());
                walk(value, path)?;
                path.pop();
            }
            Ok(())
        }
        Value::Sequence(list) => list.iter().try_for_each(|value| walk(value, path)),
        Value::Tagged(tagged) => walk(&tagged.value, path),
        Value::Number(_) => {
            let name = path.join(".");
            match path.as_slice() {
                ["optimizer_config", rest @ .., key] => {
                    let optimizer = rest.first().copied().unwrap_or_default();
                    check(key, &format!("optimizer_config.{optimizer}.{key}"), value)
                }
                ["lr_schedule", ..] => check(&name, &name, value),
                // Bytes of a path that is not UTF-8.
                ["adapter_path" | "resume_adapter_file", ..] => Ok(()),
                _ => check(
                    &name,
                    &format!("--{}", name.replace(['_', '.'], "-")),
                    value,
                ),
            }
        }
        _ => Ok(()),
    }
}

fn check(key: &str, shown: &str, number: &Value) -> Result<()> {
    let Some((_, range)) = TABLE.iter().find(|(name, _)| *name == key) else {
        bail!("{shown} has no range");
    };
    let whole = number
        .as_u64()
        .map(i128::from)
        .or(number.as_i64().map(i128::from));
    let real = number.as_f64().unwrap_or(f64::NAN);
    // The range applies to the value as float32, in which 1e-50 is 0.
    let single = f64::from(real as f32);
    let holds = match *range {
        Whole(least, most) => whole.is_some_and(|n| (least..=most).contains(&n)),
        Above(low, high) => single > low && single <= high,
        Below(low, high) => single >= low && single < high,
        From(low, high) => single >= low && single <= high,
    };
    let found = match whole {
        Some(n) => n.to_string(),
        None => real.to_string(),
    };
    ensure!(holds, "{shown} is {found}, expected {}", expected(*range));
    Ok(())
}

fn expected(range: Range) -> String {
    match range {
        Whole(least, most) => format!("a whole number from {least} to {most}"),
        Above(low, MOST) => format!("a finite number above {low}"),
        Above(low, high) => format!("a number above {low} and at most {high}"),
        Below(low, high) => format!("a number of at least {low} and below {high}"),
        From(low, MOST) if low == -MOST => "a finite number".to_owned(),
        From(low, MOST) => format!("a finite number of at least {low}"),
        From(low, high) => format!("a number from {low} to {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GradCheckpoint, Optimizer, OptimizerConfig, Settings};
    use super::*;
    use crate::schedule::{Kind, Schedule};

    fn value(settings: &Settings) -> Value {
        serde_yaml_ng::to_value(settings).unwrap()
    }

    /// Every number that a run has stands in the table: nothing goes unchecked.
    #[test]
    fn every_number_has_a_range() {
        for optimizer in ["adam", "adamw", "sgd", "adafactor", "lion", "muon"] {
            let optimizer: Optimizer = optimizer.parse().unwrap();
            let settings = Settings {
                optimizer,
                optimizer_config: OptimizerConfig::of(optimizer, true),
                grad_checkpoint: GradCheckpoint::Every(3),
                metrics_port: Some(3),
                epochs: Some(2),
                max_grad_norm: Some(1.0),
                max_grad_value: Some(1.0),
                early_stopping: Some(3),
                loraplus_lr_ratio: Some(16.0),
                beta: Some(0.1),
                simpo_gamma: Some(0.5),
                lr_schedule: Some(Schedule {
                    name: Kind::CosineDecay,
                    arguments: vec![1.0, 2.0],
                    warmup: 3,
                    warmup_init: 0.0,
                }),
                ..Settings::default()
            };
            all(&value(&settings)).unwrap();
        }
    }

    #[test]
    fn what_float32_makes_of_a_number_counts() {
        for (key, bad) in [
            ("learning_rate", 1e-50),
            ("learning_rate", 1e39),
            ("learning_rate", f64::NAN),
            ("learning_rate", f64::INFINITY),
            ("learning_rate", -0.0),
            ("temp", -1e-3),
            ("top_p", 0.0),
            ("momentum", 1.0),
            ("betas", 0.999_999_999_99),
        ] {
            let error = flag(key, bad).unwrap_err().to_string();
            assert!(error.contains("expected"), "{key} {bad}: {error}");
        }
        for (key, good) in [("learning_rate", 1e-30), ("temp", 0.0), ("top_p", 1.0)] {
            flag(key, good).unwrap();
        }
    }
}
