//! Reads and writes LoRA adapters in mlx-lm's format: `adapters.safetensors` and `adapter_config.json`.
//!
//! The weights carry their configuration in their own metadata as well, and that copy is the one that counts:
//! a crash between the two writes cannot leave weights that no configuration fits.
//!
//! Tests: `tests/foreign_checkpoints.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, ensure, Context, Result};
use mlx_runtime::model::{
    add_lora, all_lora_keys, lora_keys, unfreeze_layers, LoraConfig, LoraPattern,
};
use mlx_runtime::{io, ops, random, Array};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::checkpoint;
use crate::cli::AdapterFormat;
use crate::files::{is_named, read_json, write_atomic};
use crate::peft;
use crate::settings::{FineTune, LoraSettings, Packing, Pattern, Settings};
use mlx_models::{CausalLm, Config};

/// The weights' file in an adapter's folder.
pub const WEIGHTS: &str = "adapters.safetensors";
/// The configuration's file in an adapter's folder.
pub const CONFIG: &str = "adapter_config.json";
/// The key of the configuration in the weights' metadata.
const METADATA_KEY: &str = "adapter_config";

/// The order of the rows of queries and keys in an adapter that says it. One that was trained on a GGUF before adapters
/// said it has the file's own.
pub(crate) const ROW_ORDER: &str = "hugging_face";

/// The keys of `adapter_config.json` that the adapter needs. The file may have more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdapterConfig {
    /// `lora`, `dora` or `full`.
    #[serde(default = "lora")]
    pub fine_tune_type: String,
    /// The model that the adapter was trained on, as it was named then.
    #[serde(default)]
    pub model: Option<String>,
    /// Adapted layers, counted from the last; -1 and 0 stand for all.
    pub num_layers: i32,
    /// Rank, scale, dropout and keys; null after full fine-tuning.
    #[serde(default = "no_lora", deserialize_with = "or_no_lora")]
    pub lora_parameters: LoraParameters,
    /// The model and data that it was trained on, and the settings.
    #[serde(flatten)]
    pub run: crate::settings::OfRun,
    /// The packing of the model during training, if it was packed.
    #[serde(default)]
    pub quantize: Option<Packing>,
    /// The order of the rows that make queries and keys.
    #[serde(default)]
    pub row_order: Option<String>,
    /// True if it may leave out layers that the configuration names: PEFT's may, and what was made of one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
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
    /// Adapted matrices; all of them if missing.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
}

fn lora() -> String {
    "lora".into()
}

/// Stands for the parameters of an adapter that has none.
fn no_lora() -> LoraParameters {
    LoraParameters {
        rank: 1,
        scale: 1.0,
        dropout: 0.0,
        keys: None,
    }
}

fn or_no_lora<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<LoraParameters, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_else(no_lora))
}

/// The kinds of fine-tuning that an adapter may come from.
const KINDS: [&str; 3] = ["lora", "dora", "full"];

/// The number of an adapter's mistakes that are listed.
const LISTED: usize = 8;

/// An adapter on disk, read but not yet part of a model.
pub struct Adapter {
    file: PathBuf,
    /// Its configuration.
    pub config: AdapterConfig,
    weights: HashMap<String, Array>,
}

impl Adapter {
    /// Reads the adapter at `path`: the file of its weights, or a folder with [`WEIGHTS`]. A file without metadata is
    /// described by the [`CONFIG`] beside it.
    pub fn read(path: &Path) -> Result<Adapter> {
        ensure!(
            path.exists(),
            "expected an adapter at {}, found none",
            path.display()
        );
        let file = match path.is_dir() {
            true => path.join(WEIGHTS),
            false => path.to_owned(),
        };
        if !is_named(&file) || file.file_name().is_some_and(|name| name == peft::WEIGHTS) {
            let folder = file.parent().unwrap_or(Path::new("."));
            if let Some(adapter) = Adapter::of_peft(folder)? {
                return Ok(adapter);
            }
        }
        let (weights, metadata) = io::load_safetensors(&file)?;
        let config: AdapterConfig = match metadata.get(METADATA_KEY) {
            Some(text) => serde_json::from_str(text)
                .with_context(|| format!("invalid metadata in {}", file.display()))?,
            None => read_json(&file.with_file_name(CONFIG))?,
        };
        let LoraParameters { rank, scale, .. } = config.lora_parameters;
        crate::settings::bounds::lora(rank, scale)
            .with_context(|| format!("the configuration of the adapter in {}", file.display()))?;
        ensure!(
            KINDS.contains(&config.fine_tune_type.as_str()),
            "unsupported adapter in {}: expected lora, dora or full, found {:?}",
            file.display(),
            config.fine_tune_type
        );
        if let Some(order) = config.row_order.as_ref().filter(|o| *o != ROW_ORDER) {
            bail!(
                "unsupported row order in {}: expected {ROW_ORDER}, found {order:?}",
                file.display()
            );
        }
        Ok(Adapter {
            file,
            config,
            weights,
        })
    }

    /// The file that its weights were read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its tensors by name.
    pub fn tensors(&self) -> &HashMap<String, Array> {
        &self.weights
    }

    /// The program that writes adapters of its format.
    pub fn format(&self) -> AdapterFormat {
        match self
            .file
            .file_name()
            .is_some_and(|name| name == peft::WEIGHTS)
        {
            true => AdapterFormat::Peft,
            false => AdapterFormat::Mlx,
        }
    }

    /// The GGUF file in whose row order the adapter is, if it is in one.
    pub fn needs_sizes(&self) -> Option<String> {
        let model = self.config.model.clone().filter(|m| checkpoint::is_gguf(m));
        model.filter(|_| self.config.row_order.is_none())
    }

    /// Reads an adapter that PEFT saved, if `folder` holds one.
    fn of_peft(folder: &Path) -> Result<Option<Adapter>> {
        let there = |name: &str| is_named(&folder.join(name));
        if !there(peft::WEIGHTS) {
            ensure!(
                !there(peft::PICKLE),
                "unsupported pickle of PEFT in {} ({}): save the adapter as safetensors",
                folder.display(),
                peft::PICKLE
            );
            return Ok(None);
        }
        let config = read_json(&folder.join(CONFIG))?;
        let (config, weights) = peft::read(folder, config)
            .with_context(|| format!("cannot read the adapter of PEFT in {}", folder.display()))?;
        Ok(Some(Adapter {
            file: folder.join(peft::WEIGHTS),
            config,
            weights,
        }))
    }

    /// Adds the adapter to `model`, which must be the model it was trained on, or one of the same shape.
    pub fn apply(mut self, model: &mut impl CausalLm, sizes: &Config) -> Result<()> {
        if self.config.fine_tune_type == FineTune::Full.name() {
            return self.replace(model, sizes);
        }
        let kind: FineTune = self
            .config
            .fine_tune_type
            .parse()
            .map_err(anyhow::Error::msg)?;
        self.check_tables(sizes)?;
        self.reorder(sizes)?;
        let n = self.config.num_layers;
        let layers = i32::try_from(sizes.num_hidden_layers)?;
        let config = lora_config(
            model,
            &self.config.lora_parameters.clone().into(),
            kind,
            if n <= 0 { layers } else { n.min(layers) },
        );
        // The initial values do not matter because every one is replaced.
        add_lora(model, &config, &random::key(0)?)?;
        let wanted = model.trainable();
        let misfit = self.misfit();
        if self.config.partial {
            // Both halves are zero: nothing is added there, and nothing is learnt. Norms are the model's.
            for (name, array) in &wanted {
                if !self.weights.contains_key(name) {
                    let same = match name.ends_with(".m") {
                        true => array.clone(),
                        false => ops::zeros(array.shape(), array.dtype())?,
                    };
                    self.weights.insert(name.clone(), same);
                }
            }
        }
        let arrays = match_up(&wanted, self.weights).map_err(|what| anyhow!("{misfit}\n{what}"))?;
        model.set_trainable(&arrays)?;
        Ok(())
    }

    /// Puts its tensors in the place of the model's: full fine-tuning.
    fn replace(mut self, model: &mut impl CausalLm, sizes: &Config) -> Result<()> {
        self.reorder(sizes)?;
        let layers = match self.config.num_layers {
            n if n <= 0 => -1,
            n => n,
        };
        unfreeze_layers(model, layers)?;
        let (wanted, misfit) = (model.trainable(), self.misfit());
        let found = match_up(&wanted, self.weights).map_err(|what| anyhow!("{misfit}\n{what}"))?;
        let arrays = wanted
            .iter()
            .zip(&found)
            .map(|((_, like), a)| ops::astype(a, like.dtype()));
        let arrays = arrays.collect::<mlx_runtime::Result<Vec<_>>>()?;
        model.set_trainable(&arrays)?;
        Ok(())
    }

    /// The first line of an error about tensors.
    fn misfit(&self) -> String {
        let trained_on = self.config.model.as_deref().unwrap_or("an unnamed model");
        format!(
            "the adapter {} does not fit this model (it was trained on {trained_on}):",
            self.file.display()
        )
    }

    /// Refuses an adapter of PEFT for the table of tokens, if the model's head is tied to the table: there the adapter acts
    /// on both, and in PEFT on the table alone.
    pub fn check_tables(&self, sizes: &Config) -> Result<()> {
        let table = || self.weights.keys().any(|name| peft::is_tables(name));
        ensure!(
            self.format() != AdapterFormat::Peft || !sizes.tie_word_embeddings || !table(),
            "unsupported adapter in {}: PEFT adapts the table of tokens alone, and the model ties its head to the table: merge it with PEFT",
            self.file.display()
        );
        Ok(())
    }

    /// Its tensors by name, with the rows of queries and keys in Hugging Face's order.
    pub fn into_arrays(mut self, sizes: &Config) -> Result<HashMap<String, Array>> {
        self.reorder(sizes)?;
        Ok(self.weights)
    }

    /// Brings rows in the order of a GGUF into Hugging Face's.
    fn reorder(&mut self, sizes: &Config) -> Result<()> {
        if self.needs_sizes().is_none() {
            return Ok(());
        }
        for (name, array) in &mut self.weights {
            let heads = match name {
                n if n.ends_with("q_proj.lora_b") => sizes.num_attention_heads,
                n if n.ends_with("k_proj.lora_b") => sizes.num_key_value_heads,
                _ => continue,
            };
            *array = checkpoint::halves(array, 1, heads)?;
        }
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
                "{name}: expected shape {1:?}, found {0:?}",
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
            .map(|name| format!("{name} is unknown to the model")),
    );
    if wrong.is_empty() {
        return Ok(arrays);
    }
    Err(listed(wrong))
}

/// The first of some mistakes, a line each.
pub(crate) fn listed(mut wrong: Vec<String>) -> String {
    let more = wrong.len().saturating_sub(LISTED);
    wrong.truncate(LISTED);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    let lines: Vec<String> = wrong.iter().map(|w| format!("  {w}")).collect();
    lines.join("\n")
}

impl From<LoraParameters> for LoraSettings {
    fn from(p: LoraParameters) -> Self {
        LoraSettings {
            rank: p.rank,
            scale: p.scale,
            dropout: p.dropout,
            keys: p.keys.unwrap_or_default(),
            patterns: Vec::new(),
        }
    }
}

/// The runtime's form of the settings. Without names, every matrix of a layer is adapted. The end of a name matches
/// every name that ends with it; mlx-lm knows whole names alone.
pub fn lora_config(
    model: &impl CausalLm,
    lora: &LoraSettings,
    kind: FineTune,
    num_layers: i32,
) -> LoraConfig {
    let keys = match lora.keys.is_empty() {
        true => lora_keys(model),
        false => whole_keys(&all_lora_keys(model), &lora.keys),
    };
    let pattern = |p: &Pattern| LoraPattern {
        key: p.key.clone(),
        rank: p.rank.unsigned_abs() as usize,
        scale: p.scale as f32,
    };
    LoraConfig {
        rank: lora.rank.unsigned_abs() as usize,
        scale: lora.scale as f32,
        keys,
        num_layers,
        dora: kind == FineTune::Dora,
        dropout: lora.dropout as f32,
        patterns: lora.patterns.iter().map(pattern).collect(),
    }
}

/// The tensors of an adapter of several ranks and scales as one of one rank and scale, which other programs can read:
/// zeros make up for the rank, and B for the scale.
pub fn uniform(
    trainable: Vec<(String, Array)>,
    lora: &LoraSettings,
) -> Result<Vec<(String, Array)>> {
    if lora.patterns.is_empty() {
        return Ok(trainable);
    }
    let zero = Array::scalar(0f32)?;
    let mut out = Vec::with_capacity(trainable.len());
    for (name, array) in trainable {
        let (path, half) = name.rsplit_once('.').unwrap_or(("", &name));
        let stacked = array.ndim() == 3;
        let axis = match (half, stacked) {
            ("lora_a", _) => 1,
            ("lora_b", false) => 0,
            ("lora_b", true) => 2,
            _ => {
                out.push((name, array));
                continue;
            }
        };
        let mut more = vec![(0, 0); array.ndim()];
        more[axis].1 = lora.most() - array.shape()[axis];
        let mut array = ops::pad(&array, &more, &zero)?;
        let own = lora.patterns.iter().find(|p| ends_with(path, &p.key));
        if let Some(own) = own.filter(|_| half == "lora_b") {
            let by = Array::scalar((own.scale / lora.scale) as f32)?;
            array = ops::multiply(&array, &by)?;
        }
        out.push((name, array));
    }
    Ok(out)
}

/// True if `path` is `key`, or ends with it.
fn ends_with(path: &str, key: &str) -> bool {
    let rest = path.strip_suffix(key);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The names in `known` that `keys` means, and the keys that mean none of them.
fn whole_keys(known: &[String], keys: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for key in keys {
        let means = |name: &&String| ends_with(name, key);
        let mut meant: Vec<&String> = known.iter().filter(means).collect();
        if meant.is_empty() {
            meant.push(key);
        }
        for name in meant {
            if !whole.contains(name) {
                whole.push(name.clone());
            }
        }
    }
    whole
}

/// The configuration that is saved beside the weights: the settings for loading, and those of training.
pub fn config_json(settings: &Settings, num_layers: i32) -> Result<Value> {
    let mut all = serde_json::to_value(settings)?;
    // As `uniform` makes it.
    let lora = serde_json::to_value(LoraSettings {
        rank: settings.lora.most(),
        patterns: Vec::new(),
        ..settings.lora.clone()
    })?;
    if let Value::Object(map) = &mut all {
        map.remove("lora");
        let full = settings.fine_tune_type == FineTune::Full;
        map.insert(
            "lora_parameters".into(),
            if full { Value::Null } else { lora },
        );
        map.insert("num_layers".into(), json!(num_layers));
        map.insert("row_order".into(), json!(ROW_ORDER));
        map.sort_keys();
    }
    Ok(all)
}

/// Saves a copy of the adapter of a model to `folder` under the number of its step, as mlx-lm names it, and removes all
/// but the last `keep` of the copies up to that one; -1 keeps all.
pub fn save_numbered(
    folder: &Path,
    trainable: &[(String, Array)],
    config: &Value,
    (step, keep): (u64, i64),
) -> Result<()> {
    let number = |name: &str| -> Option<u64> {
        let digits = name.strip_suffix(&format!("_{WEIGHTS}"))?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let path = folder.join(format!("{step:07}_{WEIGHTS}"));
    io::save_safetensors(&path, trainable, &metadata(config))?;
    let Ok(keep) = usize::try_from(keep) else {
        return Ok(());
    };
    let mut copies: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = path.file_name().and_then(|n| n.to_str()).and_then(number);
        copies.extend(found.filter(|n| *n <= step).map(|n| (n, path)));
    }
    copies.sort_unstable();
    let old = copies.len().saturating_sub(keep);
    for (_, path) in &copies[..old] {
        // A copy that cannot be removed costs its room alone.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// The configuration in the metadata of the weights.
fn metadata(config: &Value) -> HashMap<String, String> {
    HashMap::from([
        ("format".to_owned(), "mlx".to_owned()),
        (METADATA_KEY.to_owned(), config.to_string()),
    ])
}

/// Saves the adapter of a model to `folder`. Each file is replaced at once or not at all.
pub fn save(folder: &Path, trainable: &[(String, Array)], config: &Value) -> Result<()> {
    io::save_safetensors(folder.join(WEIGHTS), trainable, &metadata(config))?;
    let text = serde_json::to_string_pretty(config)? + "\n";
    write_atomic(&folder.join(CONFIG), text.as_bytes())
}
