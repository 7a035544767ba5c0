//! The YAML file: mlx-lm's keys. A key that is unknown, or known to mlx-lm but not supported here, is an error.

use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use mlx_runtime::runtime::Limit;
use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{GradCheckpoint, Optimizer, OptimizerFile};
use crate::cli::TrainArgs;
use crate::files::read_text;
use crate::schedule::Schedule;

/// What a YAML file may set. Nothing is set twice: `None` means that the file does not say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the flags in `cli` say what each one is
pub struct FileSettings {
    pub model: Option<String>,
    pub train: Option<bool>,
    pub test: Option<bool>,
    pub data: Option<String>,
    pub seed: Option<u64>,
    pub num_layers: Option<i32>,
    pub batch_size: Option<usize>,
    pub iters: Option<u64>,
    pub val_batches: Option<i64>,
    pub test_batches: Option<i64>,
    pub learning_rate: Option<f64>,
    pub steps_per_report: Option<u64>,
    pub steps_per_eval: Option<u64>,
    pub resume_adapter_file: Option<PathBuf>,
    pub adapter_path: Option<PathBuf>,
    pub save_every: Option<u64>,
    pub max_seq_length: Option<usize>,
    pub length_buckets: Option<usize>,
    pub grad_checkpoint: Option<GradCheckpoint>,
    pub grad_accumulation_steps: Option<u64>,
    pub max_skipped_steps: Option<u32>,
    pub lr_schedule: Option<Schedule>,
    pub lora_parameters: Option<LoraFile>,
    pub mask_prompt: Option<bool>,
    pub optimizer: Option<Optimizer>,
    pub optimizer_config: Option<OptimizerFile>,
    pub device: Option<String>,
    pub memory_limit: Option<Limit>,
    pub metrics_port: Option<u16>,
    pub truncate: Option<bool>,
    pub compat: Option<bool>,
    pub quantize: Option<bool>,
    pub q_bits: Option<i32>,
    pub q_group_size: Option<i32>,
    pub q_mode: Option<String>,
}

/// `lora_parameters` of a YAML file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct LoraFile {
    pub rank: Option<i32>,
    pub scale: Option<f64>,
    pub dropout: Option<f64>,
    pub keys: Option<Vec<String>>,
}

const KEYS: [&str; 35] = [
    "model",
    "train",
    "test",
    "data",
    "seed",
    "num_layers",
    "batch_size",
    "iters",
    "val_batches",
    "test_batches",
    "learning_rate",
    "steps_per_report",
    "steps_per_eval",
    "resume_adapter_file",
    "adapter_path",
    "save_every",
    "max_seq_length",
    "length_buckets",
    "grad_checkpoint",
    "grad_accumulation_steps",
    "max_skipped_steps",
    "lr_schedule",
    "lora_parameters",
    "mask_prompt",
    "optimizer",
    "optimizer_config",
    "device",
    "memory_limit",
    "metrics_port",
    "truncate",
    "compat",
    "quantize",
    "q_bits",
    "q_group_size",
    "q_mode",
];

const LORA_KEYS: [&str; 4] = ["rank", "scale", "dropout", "keys"];

/// mlx-lm's keys without a counterpart here, and the one value that changes nothing.
fn is_neutral(key: &str, value: &Value) -> Option<bool> {
    Some(match key {
        "fine_tune_type" => value == "lora",
        "clear_cache_threshold" => true,
        "trust_remote_code" => value == &Value::from(false),
        "report_to" | "project_name" | "hf_dataset" | "config" => value.is_null(),
        _ => return None,
    })
}

impl FileSettings {
    /// The file that `args` names; without one, nothing is set.
    pub fn of(args: &TrainArgs) -> Result<FileSettings> {
        args.config
            .as_deref()
            .map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads `path`.
    pub fn read(path: &Path) -> Result<FileSettings> {
        let text = read_text(path)?;
        Self::parse(&text).with_context(|| format!("in the configuration {}", path.display()))
    }

    fn parse(text: &str) -> Result<FileSettings> {
        let value: Value = serde_yaml_ng::from_str(text)?;
        let map = match &value {
            Value::Null => return Ok(FileSettings::default()),
            Value::Mapping(map) => map,
            _ => bail!("the file must hold `key: value` lines"),
        };
        let mut kept = serde_yaml_ng::Mapping::new();
        for (key, value) in map {
            let key = key.as_str().context("a key is not a text")?;
            match is_neutral(key, value) {
                Some(true) => continue,
                Some(false) => bail!("{key} is not supported with this value"),
                None => {
                    check_key(key, &KEYS)?;
                    kept.insert(key.into(), value.clone());
                }
            }
        }
        if let Some(Value::Mapping(lora)) = kept.get("lora_parameters") {
            for key in lora.keys() {
                let key = key.as_str().unwrap_or_default();
                if key == "alpha" || key == "lora_alpha" {
                    bail!("lora_parameters.{key} is unknown; give scale, which is alpha / rank");
                }
                check_key(key, &LORA_KEYS).context("in lora_parameters")?;
            }
        }
        Ok(serde_yaml_ng::from_value(Value::Mapping(kept))?)
    }
}

/// An error with the likeliest spelling unless `key` is one of `known`.
fn check_key(key: &str, known: &[&str]) -> Result<()> {
    if known.contains(&key) {
        return Ok(());
    }
    let near = known
        .iter()
        .map(|k| (strsim::normalized_damerau_levenshtein(key, k), k))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((score, best)) if score > 0.5 => {
            bail!("unknown key {key:?}; did you mean {best:?}?")
        }
        _ => bail!(
            "unknown key {key:?}; the known keys are {}",
            known.join(", ")
        ),
    }
}
