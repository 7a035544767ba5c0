//! LoRA adapters in mlx-lm's format: `adapters.safetensors` and `adapter_config.json`.
//!
//! The weights carry their configuration in their own metadata as well, and that copy is the one that counts:
//! a crash between the two writes cannot leave weights that no configuration fits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use mlx_runtime::model::{add_lora, lora_keys, LoraConfig};
use mlx_runtime::{io, random, Array};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::files::{read_json, write_atomic};
use crate::settings::{LoraSettings, Packing, Settings};
use mlx_models::CausalLm;

/// The weights' file in an adapter's folder.
pub const WEIGHTS: &str = "adapters.safetensors";
/// The configuration's file in an adapter's folder.
pub const CONFIG: &str = "adapter_config.json";
/// Where the configuration stands in the weights' metadata.
const METADATA_KEY: &str = "adapter_config";

/// What `adapter_config.json` must say for the adapter to be used; it may say more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdapterConfig {
    /// `lora`; nothing else is supported.
    #[serde(default = "lora")]
    pub fine_tune_type: String,
    /// The model that the adapter was trained on, as it was named then.
    #[serde(default)]
    pub model: Option<String>,
    /// Adapted layers, counted from the last; -1 and 0 stand for all.
    pub num_layers: i32,
    /// Rank, scale, dropout and keys.
    pub lora_parameters: LoraParameters,
    /// What it was trained on, and how.
    #[serde(flatten)]
    pub run: crate::settings::OfRun,
    /// How the model was packed while it was trained on, if it was.
    #[serde(default)]
    pub quantize: Option<Packing>,
}

/// `lora_parameters` as mlx-lm writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoraParameters {
    /// Rank.
    pub rank: i32,
    /// Factor of the output.
    pub scale: f64,
    /// Chance of dropping an input.
    #[serde(default)]
    pub dropout: f64,
    /// Adapted matrices; every one where it is missing.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
}

fn lora() -> String {
    "lora".into()
}

/// How many mistakes of an adapter are listed.
const LISTED: usize = 8;

/// An adapter on disk, read but not yet part of a model.
pub struct Adapter {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: AdapterConfig,
    weights: HashMap<String, Array>,
}

impl Adapter {
    /// Reads the adapter in `folder`.
    pub fn read(folder: &Path) -> Result<Adapter> {
        ensure!(
            folder.is_dir(),
            "there is no adapter folder {}",
            folder.display()
        );
        let (weights, metadata) = io::load_safetensors(folder.join(WEIGHTS))?;
        let config: AdapterConfig = match metadata.get(METADATA_KEY) {
            Some(text) => serde_json::from_str(text).with_context(|| {
                format!(
                    "the metadata of {} is broken",
                    folder.join(WEIGHTS).display()
                )
            })?,
            None => read_json(&folder.join(CONFIG))?,
        };
        let LoraParameters { rank, scale, .. } = config.lora_parameters;
        crate::settings::bounds::lora(rank, scale)
            .with_context(|| format!("the configuration of the adapter in {}", folder.display()))?;
        ensure!(
            config.fine_tune_type == "lora",
            "{} holds an adapter of the kind {:?}; only lora is supported",
            folder.display(),
            config.fine_tune_type
        );
        Ok(Adapter {
            folder: folder.to_owned(),
            config,
            weights,
        })
    }

    /// Adds the adapter to `model`, which must be the model it was trained on, or one of the same shape.
    pub fn apply(self, model: &mut impl CausalLm, layers: i32) -> Result<()> {
        let n = self.config.num_layers;
        let config = lora_config(
            model,
            &self.config.lora_parameters.clone().into(),
            if n <= 0 { layers } else { n.min(layers) },
        );
        // What the initial values are does not matter: every one is replaced.
        add_lora(model, &config, &random::key(0)?)?;
        let named = |what: String| {
            let trained_on = self.config.model.as_deref().unwrap_or("an unnamed model");
            format!(
                "the adapter in {} does not fit this model (it was trained on {trained_on}):\n{what}",
                self.folder.display()
            )
        };
        let arrays = match_up(&model.trainable(), self.weights)
            .map_err(|what| anyhow::anyhow!(named(what)))?;
        model.set_trainable(&arrays)?;
        Ok(())
    }
}

/// Brings `weights` into the order of `wanted`; or lists everything that is missing, unknown or of another shape.
pub fn match_up(
    wanted: &[(String, Array)],
    mut weights: HashMap<String, Array>,
) -> std::result::Result<Vec<Array>, String> {
    let mut wrong = Vec::new();
    let mut arrays = Vec::with_capacity(wanted.len());
    for (name, array) in wanted {
        match weights.remove(name) {
            Some(found) if found.shape() == array.shape() => arrays.push(found),
            Some(found) => wrong.push(format!(
                "{name} has the shape {:?}, the model needs {:?}",
                found.shape(),
                array.shape()
            )),
            None => wrong.push(format!("{name} is missing")),
        }
    }
    let mut unknown: Vec<String> = weights.into_keys().collect();
    unknown.sort();
    wrong.extend(
        unknown
            .iter()
            .map(|name| format!("the model has no {name}")),
    );
    if wrong.is_empty() {
        return Ok(arrays);
    }
    let more = wrong.len().saturating_sub(LISTED);
    wrong.truncate(LISTED);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    Err(wrong
        .iter()
        .map(|w| format!("  {w}"))
        .collect::<Vec<_>>()
        .join("\n"))
}

impl From<LoraParameters> for LoraSettings {
    fn from(p: LoraParameters) -> Self {
        LoraSettings {
            rank: p.rank,
            scale: p.scale,
            dropout: p.dropout,
            keys: p.keys.unwrap_or_default(),
        }
    }
}

/// The runtime's form of the settings. Where they name no matrices, they mean all that a layer of the model has.
pub fn lora_config(model: &impl CausalLm, lora: &LoraSettings, num_layers: i32) -> LoraConfig {
    LoraConfig {
        rank: lora.rank.unsigned_abs() as usize,
        scale: lora.scale as f32,
        keys: match lora.keys.is_empty() {
            true => lora_keys(model),
            false => lora.keys.clone(),
        },
        num_layers,
    }
}

/// The configuration that is saved beside the weights: what loading needs, and how they were trained.
pub fn config_json(settings: &Settings, num_layers: i32) -> Result<Value> {
    let mut all = serde_json::to_value(settings)?;
    let lora = all["lora"].take();
    if let Value::Object(map) = &mut all {
        map.remove("lora");
        map.insert("fine_tune_type".into(), json!("lora"));
        map.insert("lora_parameters".into(), lora);
        map.insert("num_layers".into(), json!(num_layers));
        map.sort_keys();
    }
    Ok(all)
}

/// Saves the adapter of a model to `folder`. Each file is replaced at once or not at all.
pub fn save(folder: &Path, trainable: &[(String, Array)], config: &Value) -> Result<()> {
    let metadata = HashMap::from([
        ("format".to_owned(), "mlx".to_owned()),
        (METADATA_KEY.to_owned(), config.to_string()),
    ]);
    io::save_safetensors(folder.join(WEIGHTS), trainable, &metadata)?;
    let text = serde_json::to_string_pretty(config)? + "\n";
    write_atomic(&folder.join(CONFIG), text.as_bytes())
}
