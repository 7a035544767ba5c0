//! Merges an adapter into the tensors of a checkpoint, under the checkpoint's own names. One tensor is computed at a time.
//!
//! The numbers are those of mlx-lm's `fuse`: a packed matrix is unpacked in the dtype of its scales, the update is
//! rounded to that dtype and added, and the sum is packed as before.
//!
//! Tests: `tests/fuse.rs`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{anyhow, bail, ensure, Result};
use mlx_models::{Config, Family};
use mlx_runtime::model::{Quantization, Weights};
use mlx_runtime::ops::packed::{pack, unpack, Packed};
use mlx_runtime::{linalg, ops, transforms, Array, Dtype};
use serde_json::{json, Value};

use super::packing::{self, Packings};
use crate::adapter::{listed, Adapter};
use crate::checkpoint::{Beside, Checkpoint};
use crate::peft;
use crate::session::Opened;
use crate::shards::packed;
use crate::text::Text;

/// A checkpoint with an adapter merged into it. Nothing is computed before it is asked for.
pub struct Merged {
    /// The last part of the model's name.
    pub name: String,
    /// Sizes and constants.
    pub config: Config,
    /// Tokenizer and chat template.
    pub text: Text,
    /// The files beside the weights.
    pub beside: Beside,
    /// The content of `config.json`.
    json: Value,
    weights: HashMap<String, Array>,
    /// By the name of the weight.
    changes: HashMap<String, Change>,
    packings: Packings,
    dequantize: bool,
    pack: Option<Quantization>,
}

/// The change of one tensor.
enum Change {
    /// Adds this matrix, or stack of matrices, in float32; then scales each row to the norm in `norms`, if there are
    /// any (DoRA).
    Add { delta: Array, norms: Option<Array> },
    /// Takes its place.
    Replace(Array),
}

impl Merged {
    /// Matches the adapter's tensors with the checkpoint's.
    ///
    /// # Errors
    /// One error that lists the tensors of the adapter that fit none of the checkpoint's.
    pub fn new(opened: Opened, dequantize: bool, pack: Option<Quantization>) -> Result<Merged> {
        let name = Path::new(opened.name()).file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let (checkpoint, adapter) = opened.into_parts();
        let Checkpoint {
            config,
            weights,
            block_size,
            text,
            beside,
        } = checkpoint;
        let mut json = beside.config()?;
        let eight_bit = weights.keys().any(|n| n.contains("weight_scale"));
        let mut all = Weights::from(weights);
        if let Some(block) = block_size {
            all = all.with_block_size(block);
        }
        let mut weights = all.scaled()?;
        if eight_bit {
            for array in weights.values_mut().filter(|a| a.dtype() == Dtype::Float32) {
                *array = ops::astype(array, Dtype::Bfloat16)?;
            }
            json["torch_dtype"] = json!("bfloat16");
        }
        let packings = packing::read(&weights, &mut json)?;
        let mut merged = Merged {
            name,
            config,
            text,
            beside,
            json,
            weights,
            changes: HashMap::new(),
            packings,
            dequantize,
            pack,
        };
        if let Some(adapter) = adapter {
            merged.adapt(adapter)?;
        }
        merged.describe()?;
        Ok(merged)
    }

    /// Brings the configuration in line with how the tensors are written.
    fn describe(&mut self) -> Result<()> {
        let experts = |name: &String| name.contains(".experts.") || name.contains(".switch_mlp.");
        if self.pack.is_some() {
            ensure!(
                self.config.family != Family::Gpt2 && !self.weights.keys().any(experts),
                "unsupported --quantize for {}: write the folder without it, then type\n  mlx_lm.convert --hf-path FOLDER -q",
                self.config.family.model_type()
            );
        }
        let dtype = self.dtype();
        let Value::Object(map) = &mut self.json else {
            bail!("expected a JSON object as config");
        };
        if self.dequantize || self.pack.is_some() || self.packings.is_empty() {
            map.remove("quantization");
            map.remove("quantization_config");
        }
        if let Some(how) = self.pack {
            map.insert("quantization".into(), packing::entry(how));
        }
        if let Beside::Made { config: None, .. } = self.beside {
            map.insert("torch_dtype".into(), json!(dtype.name()));
        }
        Ok(())
    }

    /// The content of `config.json`.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The dtype of the largest tensor that is not packed, or of the scales.
    fn dtype(&self) -> Dtype {
        let floats = self.weights.values().filter(|a| a.dtype().is_float());
        floats
            .max_by_key(|a| a.size())
            .map_or(Dtype::Float32, Array::dtype)
    }

    /// The names of the tensors, in order; scales and biases of packed ones are no names of their own.
    pub fn names(&self) -> Vec<String> {
        let belongs = |name: &String| {
            let stem = name
                .strip_suffix(".scales")
                .or(name.strip_suffix(".biases"));
            stem.is_some_and(|stem| self.packings.contains_key(stem))
        };
        let mut names: Vec<String> = self
            .weights
            .keys()
            .filter(|n| !belongs(n))
            .cloned()
            .collect();
        names.sort_by_key(|name| in_order(name));
        names
    }

    /// The shape of a tensor when it is not packed.
    pub fn shape(&self, name: &str) -> Result<Vec<i32>> {
        let weight = self.weight(name)?;
        let mut shape = weight.shape().to_vec();
        if let (Some(how), Some(last)) = (self.packing(name), shape.last_mut()) {
            *last = *last * 32 / how.group_size_and_bits().1;
        }
        Ok(shape)
    }

    fn packing(&self, name: &str) -> Option<Quantization> {
        self.packings.get(name.strip_suffix(".weight")?).copied()
    }

    fn weight(&self, name: &str) -> Result<&Array> {
        self.weights
            .get(name)
            .ok_or_else(|| anyhow!("{name} is missing from the checkpoint"))
    }

    /// The values of a tensor with the adapter merged in, not packed.
    pub fn dense(&self, name: &str) -> Result<Array> {
        let base = match self.packing(name) {
            None => self.weight(name)?.clone(),
            Some(how) => unpack(&self.parts(name)?, how, None, None)?,
        };
        let merged = match self.changes.get(name) {
            None => return Ok(base),
            Some(Change::Replace(new)) => ops::astype(new, base.dtype())?,
            Some(Change::Add { delta, norms }) => {
                let sum = ops::add(&base, &ops::astype(delta, base.dtype())?)?;
                match norms {
                    None => sum,
                    Some(norms) => scaled_rows(&sum, norms)?,
                }
            }
        };
        let finite = ops::all(&ops::isfinite(&merged)?, &[], false)?;
        ensure!(
            finite.item::<bool>()?,
            "{name} is not finite with the adapter in it: look for NaN in the adapter, or for a value too large for {}",
            merged.dtype()
        );
        Ok(merged)
    }

    /// The tensor as it is written: itself, or weight, scales and biases of a packed one, evaluated.
    pub fn tensor(&self, name: &str) -> Result<Vec<(String, Array)>> {
        let packing = self.packing(name);
        if self.dequantize || self.pack.is_some() {
            return packed(name.to_owned(), self.dense(name)?, self.pack);
        }
        let Some(how) = packing else {
            return packed(name.to_owned(), self.dense(name)?, None);
        };
        let parts = match self.changes.contains_key(name) {
            false => self.parts(name)?,
            true => pack(&self.dense(name)?, how, None)?,
        };
        let stem = name.strip_suffix(".weight").unwrap_or(name);
        let mut all = vec![
            (name.to_owned(), parts.weight),
            (format!("{stem}.scales"), parts.scales),
        ];
        all.extend(parts.biases.map(|b| (format!("{stem}.biases"), b)));
        transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
        Ok(all)
    }

    fn parts(&self, name: &str) -> Result<Packed> {
        let stem = name.strip_suffix(".weight").unwrap_or(name);
        Ok(Packed {
            weight: self.weight(name)?.clone(),
            scales: self.weight(&format!("{stem}.scales"))?.clone(),
            biases: self.weights.get(&format!("{stem}.biases")).cloned(),
        })
    }

    fn adapt(&mut self, adapter: Adapter) -> Result<()> {
        adapter.check_tables(&self.config)?;
        let file = adapter.file().to_owned();
        let model = adapter.config.model.clone();
        let full = adapter.config.fine_tune_type == "full";
        let scale = adapter.config.lora_parameters.scale as f32;
        let mut arrays = adapter.into_arrays(&self.config)?;
        let mut wrong = Vec::new();
        if full {
            for (name, array) in arrays {
                match self.shape(&name) {
                    Ok(shape) if shape == array.shape() => {
                        self.changes.insert(name, Change::Replace(array));
                    }
                    Ok(shape) => wrong.push(format!(
                        "{name}: expected shape {shape:?}, found {:?}",
                        array.shape()
                    )),
                    Err(_) => wrong.push(format!("{name} is unknown to the model")),
                }
            }
        } else {
            let mut paths: Vec<String> = arrays
                .keys()
                .map(|name| {
                    name.rsplit_once('.')
                        .map_or(name.as_str(), |(path, _)| path)
                        .to_owned()
                })
                .collect();
            paths.sort_unstable();
            paths.dedup();
            for path in paths {
                let mut part = |leaf: &str| arrays.remove(&format!("{path}.{leaf}"));
                let added = match (part("lora_a"), part("lora_b"), part("m")) {
                    (Some(a), Some(b), m) => self.add(&path, [&a, &b], m, scale),
                    _ => Err("expected lora_a and lora_b, found one of them".to_owned()),
                };
                wrong.extend(added.err().map(|what| format!("{path}: {what}")));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        bail!(
            "the adapter {} does not fit this model (it was trained on {}):\n{}",
            file.display(),
            model.as_deref().unwrap_or("an unnamed model"),
            listed(wrong)
        )
    }

    /// Notes the change that the adapter of the matrix at `path` makes.
    fn add(
        &mut self,
        path: &str,
        [a, b]: [&Array; 2],
        norms: Option<Array>,
        scale: f32,
    ) -> std::result::Result<(), String> {
        let text = |e: mlx_runtime::Error| e.to_string();
        let stacked = a.ndim() == 3;
        let table = peft::is_table(path);
        let delta = match table {
            // A table is `[rows, dims]`, as the product of its pair is.
            true => delta(a, b, scale).and_then(|d| ops::swapaxes(&d, -1, -2)),
            false => delta(a, b, scale),
        };
        let delta = delta.map_err(text)?;
        let gpt2 = self.config.family == Family::Gpt2 && !table;
        let names = [
            format!("{path}.weight"),
            format!("transformer.{path}.weight"),
        ];
        if let Some(name) = names.into_iter().find(|n| self.weights.contains_key(n)) {
            // GPT-2 stores `[in, out]`; packed matrices are stored as they are used.
            let delta = match gpt2 && self.packing(&name).is_none() {
                true => ops::swapaxes(&delta, -1, -2).map_err(text)?,
                false => delta,
            };
            return self.change(name, delta, norms);
        }
        let Some((block, part)) = path.split_once(".switch_mlp.").filter(|_| stacked) else {
            return Err("unknown to the model".to_owned());
        };
        let part = match (self.config.family, part) {
            (Family::Mixtral, "gate_proj") => "w1",
            (Family::Mixtral, "down_proj") => "w2",
            (Family::Mixtral, "up_proj") => "w3",
            (_, part) => part,
        };
        let experts = ops::split(&delta, delta.shape()[0], 0).map_err(text)?;
        for (i, delta) in experts.iter().enumerate() {
            let name = format!("{block}.experts.{i}.{part}.weight");
            if !self.weights.contains_key(&name) {
                return Err(format!("{name} is missing from the checkpoint"));
            }
            self.change(name, ops::squeeze(delta, &[0]).map_err(text)?, None)?;
        }
        Ok(())
    }

    fn change(
        &mut self,
        name: String,
        delta: Array,
        norms: Option<Array>,
    ) -> std::result::Result<(), String> {
        let shape = self.shape(&name).map_err(|e| e.to_string())?;
        if delta.shape() != shape {
            return Err(format!(
                "expected shape {shape:?}, found {:?}",
                delta.shape()
            ));
        }
        let rows = norms.as_ref().map(|n| n.shape().to_vec());
        if rows.as_ref().is_some_and(|r| r.as_slice() != &shape[..1]) {
            return Err(format!("expected {} norms, found {rows:?}", shape[0]));
        }
        self.changes.insert(name, Change::Add { delta, norms });
        Ok(())
    }
}

/// `scale * b^T a^T` of a pair `[in, r]` and `[r, out]`, or `scale * b a` of stacks `[experts, r, in]` and
/// `[experts, out, r]`.
fn delta(a: &Array, b: &Array, scale: f32) -> mlx_runtime::Result<Array> {
    let scale = Array::scalar(scale)?;
    let single = |x: &Array| ops::astype(x, Dtype::Float32);
    let (a, b) = (single(a)?, single(b)?);
    if a.ndim() == 3 {
        return ops::matmul(&ops::multiply(&scale, &b)?, &a);
    }
    let left = ops::multiply(&scale, &ops::swapaxes(&b, -1, -2)?)?;
    ops::matmul(&left, &ops::swapaxes(&a, -1, -2)?)
}

/// Rows of the given norms, computed in float32.
fn scaled_rows(w: &Array, norms: &Array) -> Result<Array> {
    let wide = ops::astype(w, Dtype::Float32)?;
    let now = linalg::norm_l2(&wide, Some(&[1]), true)?;
    let norms = ops::expand_dims(&ops::astype(norms, Dtype::Float32)?, &[-1])?;
    let scaled = ops::multiply(&ops::divide(&norms, &now)?, &wide)?;
    Ok(ops::astype(&scaled, w.dtype())?)
}

/// A key that sorts names by their numbers, so that layer 2 comes before layer 10.
fn in_order(name: &str) -> Vec<(u64, String)> {
    let part = |part: &str| match part.parse::<u64>() {
        Ok(n) => (n, String::new()),
        Err(_) => (u64::MAX, part.to_owned()),
    };
    name.split('.').map(part).collect()
}
