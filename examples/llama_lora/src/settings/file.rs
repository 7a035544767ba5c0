//! Reads the YAML file with mlx-lm's keys. A key that is unknown, or known to mlx-lm but not supported here, is an
//! error.
//!
//! Tests: `tests/config_keys.rs`.

use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use mlx_runtime::runtime::Limit;
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};

use super::lora::{LoraFile, LORA_KEYS};
use super::values::reporters;
use super::{FineTune, GradCheckpoint, Loss, Optimizer, OptimizerFile, Reporter};
use crate::cli::TrainArgs;
use crate::data::{one_or_more, HfDataset};
use crate::files::read_text;
use crate::output;
use crate::schedule::Schedule;

/// The settings that a YAML file may have. `None` means that the file does not set the key.
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
    pub fine_tune_type: Option<FineTune>,
    pub epochs: Option<u64>,
    pub max_grad_norm: Option<f64>,
    pub max_grad_value: Option<f64>,
    pub save_total_limit: Option<i64>,
    pub keep_best: Option<bool>,
    pub early_stopping: Option<u64>,
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
    pub loraplus_lr_ratio: Option<f64>,
    pub decay_matrices_only: Option<bool>,
    pub loss: Option<Loss>,
    pub beta: Option<f64>,
    pub simpo_gamma: Option<f64>,
    pub reference_model: Option<String>,
    pub packing: Option<bool>,
    #[serde(deserialize_with = "one_or_more")]
    pub hf_dataset: Option<Vec<HfDataset>>,
    #[serde(deserialize_with = "reporters")]
    pub report_to: Option<Vec<Reporter>>,
    pub project_name: Option<String>,
    /// Notes about keys that have no meaning here.
    #[serde(skip)]
    pub notes: Vec<String>,
}

const KEYS: [&str; 52] = [
    "model",
    "train",
    "test",
    "data",
    "seed",
    "num_layers",
    "batch_size",
    "iters",
    "fine_tune_type",
    "epochs",
    "max_grad_norm",
    "max_grad_value",
    "save_total_limit",
    "keep_best",
    "early_stopping",
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
    "loraplus_lr_ratio",
    "decay_matrices_only",
    "loss",
    "beta",
    "simpo_gamma",
    "reference_model",
    "packing",
    "hf_dataset",
    "report_to",
    "project_name",
];

const SCHEDULE_KEYS: [&str; 4] = ["name", "arguments", "warmup", "warmup_init"];

/// mlx-lm's keys that mean nothing here, and why.
const FOREIGN: &[(&str, &str)] = &[
    ("config", "a configuration cannot name another one"),
    (
        "clear_cache_threshold",
        "the memory limit bounds MLX's cache, too",
    ),
    ("trust_remote_code", "no code of a model's folder ever runs"),
];

impl FileSettings {
    /// The file that `args` names; without one, nothing is set. Says which of its keys mean nothing.
    pub fn of(args: &TrainArgs) -> Result<FileSettings> {
        let file = args.config.as_deref().map(Self::read).transpose()?;
        let file = file.unwrap_or_default();
        for note in &file.notes {
            output::note(note);
        }
        // The flags have the keys' meaning.
        for (key, value) in [
            (
                "clear_cache_threshold",
                args.clear_cache_threshold.clone().map(Value::from),
            ),
            (
                "trust_remote_code",
                args.trust_remote_code.then(|| Value::from(true)),
            ),
        ] {
            let Some(_) = value else { continue };
            let flag = format!("--{}", key.replace('_', "-"));
            let why = FOREIGN
                .iter()
                .find(|(k, _)| *k == key)
                .map_or("", |(_, why)| why);
            output::note(format_args!("{flag} has no effect, because {why}"));
        }
        Ok(file)
    }

    /// Reads `path`.
    pub fn read(path: &Path) -> Result<FileSettings> {
        let text = read_text(path)?;
        let name = path.display();
        let mut file =
            Self::parse(&text).with_context(|| format!("in the configuration {name}"))?;
        for note in &mut file.notes {
            *note = format!("{name}: {note}");
        }
        Ok(file)
    }

    fn parse(text: &str) -> Result<FileSettings> {
        let value: Value = serde_yaml_ng::from_str(text)?;
        let map = match &value {
            Value::Null => return Ok(FileSettings::default()),
            Value::Mapping(map) => map,
            _ => bail!("expected `key: value` lines"),
        };
        let (mut kept, mut notes) = (Mapping::new(), Vec::new());
        for (key, value) in map {
            let name = key.as_str().context("expected strings as keys")?;
            match FOREIGN.iter().find(|(k, _)| *k == name) {
                // The key counts as missing, as in mlx-lm.
                _ if value.is_null() && name != "lora_parameters" => {
                    check_key(name, &known())?;
                }
                Some((_, why)) => {
                    notes.push(format!("{name} has no effect, because {why}"));
                }
                None => {
                    check_key(name, &known())?;
                    inside(name, value)?;
                    // Alone, so that the error is this key's.
                    let alone = Mapping::from_iter([(key.clone(), value.clone())]);
                    serde_yaml_ng::from_value::<FileSettings>(Value::Mapping(alone))
                        .with_context(|| format!("{name} is {}", shown(value)))?;
                    kept.insert(key.clone(), value.clone());
                }
            }
        }
        if kept.contains_key("lr_schedule") && kept.contains_key("learning_rate") {
            notes.push("learning_rate has no effect, because lr_schedule decides".to_owned());
        }
        let settings: FileSettings = serde_yaml_ng::from_value(Value::Mapping(kept))?;
        Ok(FileSettings { notes, ..settings })
    }
}

/// Checks the keys of the mapping that `name` holds.
fn inside(name: &str, value: &Value) -> Result<()> {
    let known: &[&str] = match name {
        "lora_parameters" => &LORA_KEYS,
        "lr_schedule" => &SCHEDULE_KEYS,
        _ => return Ok(()),
    };
    let Value::Mapping(map) = value else {
        bail!("{name} is {}, expected `key: value` lines", shown(value));
    };
    for key in map.keys() {
        let key = key.as_str().unwrap_or_default();
        check_key(key, known).with_context(|| format!("in {name}"))?;
    }
    Ok(())
}

/// Every key that a file may have.
fn known() -> Vec<&'static str> {
    let foreign = FOREIGN.iter().map(|(key, _)| *key);
    KEYS.into_iter().chain(foreign).collect()
}

/// A value as YAML has it, cut short.
pub(super) fn shown(value: &Value) -> String {
    let text = serde_yaml_ng::to_string(value).unwrap_or_default();
    let text = text.trim().replace('\n', " ");
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

/// An error with the likeliest spelling unless `key` is one of `known`.
pub(super) fn check_key(key: &str, known: &[&str]) -> Result<()> {
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
