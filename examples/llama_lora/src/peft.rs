//! LoRA adapters as Hugging Face's PEFT saves them, in mlx-lm's form: `adapter_model.safetensors` and an
//! `adapter_config.json` with other keys. There, A is `[rank, in]`, B is `[out, rank]`, and each adapted matrix may have
//! a rank and a scale of its own.
//!
//! Tests: `tests/foreign_checkpoints.rs`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::{io, ops, Array, Dtype};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::adapter::{AdapterConfig, LoraParameters, ROW_ORDER};
use crate::settings::OfRun;

/// The weights' file in an adapter's folder.
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// The name of the weights' file if it is a pickle.
pub const PICKLE: &str = "adapter_model.bin";

/// The keys of `adapter_config.json` that matter here.
#[derive(Deserialize)]
struct Config {
    peft_type: String,
    base_model_name_or_path: Option<String>,
    r: u32,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    /// PEFT writes null in old files.
    #[serde(default)]
    use_dora: Option<bool>,
    /// In the file's order: the first pattern that fits counts.
    #[serde(default)]
    alpha_pattern: Map<String, Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Settings that change the computation of an adapter, or hold weights of another kind.
const REFUSED: [&str; 9] = [
    "use_qalora",
    "lora_bias",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "layer_replication",
    "alora_invocation_tokens",
    "arrow_config",
    "use_bdlora",
];

/// The two halves of one adapted matrix, and the norms of its rows (DoRA).
#[derive(Default)]
struct Pair {
    a: Option<Array>,
    b: Option<Array>,
    m: Option<Array>,
}

/// Reads an adapter with the configuration `text`: its configuration and tensors as mlx-lm names them.
///
/// The result has one rank and one scale. Shorter ranks are padded with zeros, which have no effect and stay zero in
/// training. B absorbs differences in scale.
pub fn read(folder: &Path, config: Value) -> Result<(AdapterConfig, HashMap<String, Array>)> {
    let config: Config = serde_json::from_value(config)?;
    config.check()?;
    let (arrays, _) = io::load_safetensors(folder.join(WEIGHTS))?;
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    for (name, array) in arrays {
        let place = place(&name);
        let Some((path, half)) = place else {
            bail!("unexpected tensor {name:?}: expected lora_A and lora_B of a LoRA adapter");
        };
        if half == MAGNITUDE {
            // Older files have a column.
            let flat = ops::reshape(&ops::astype(&array, Dtype::Float32)?, &[-1])?;
            pairs.entry(path.to_owned()).or_default().m = Some(flat);
            continue;
        }
        ensure!(
            array.ndim() == 2,
            "expected a matrix {name:?}, found shape {:?}",
            array.shape()
        );
        let pair = pairs.entry(path.to_owned()).or_default();
        let array = ops::astype(&ops::transpose(&array, &[1, 0])?, Dtype::Float32)?;
        match half {
            "lora_A" | "lora_embedding_A" => pair.a = Some(array),
            _ => pair.b = Some(array),
        }
    }
    ensure!(
        !pairs.is_empty(),
        "expected tensors in {WEIGHTS}, found none"
    );

    let dora = config.use_dora.unwrap_or(false);
    let mut weights = HashMap::new();
    let mut whole = Vec::new();
    for (path, pair) in pairs {
        ensure!(
            pair.m.is_some() == dora,
            "{path}: expected {MAGNITUDE} with use_dora, and none without it"
        );
        ensure!(
            !dora || !is_table(&path),
            "unsupported use_dora of the table {path}: PEFT scales what it adds alone"
        );
        if let Some(m) = pair.m {
            weights.insert(format!("{path}.m"), m);
        }
        let (Some(a), Some(b)) = (pair.a, pair.b) else {
            bail!("{path}: expected lora_A and lora_B, found one of them");
        };
        let rank = a.dim(1)?;
        ensure!(
            rank > 0 && b.dim(0)? == rank,
            "{path}: expected lora_A and lora_B of one rank, found shapes {:?} and {:?}",
            a.shape(),
            b.shape()
        );
        whole.push((config.scale(&path, rank)?, path, a, b));
    }
    let rank = whole
        .iter()
        .filter_map(|w| w.2.dim(1).ok())
        .max()
        .unwrap_or(1);
    let common = config.scale("", i32::try_from(config.r)?)?;
    let zero = Array::scalar(0f32)?;
    let mut stacks: BTreeMap<String, Vec<(usize, [Array; 2])>> = BTreeMap::new();
    for (scale, path, a, b) in whole {
        let more = rank - a.dim(1)?;
        let a = ops::pad(&a, &[(0, 0), (0, more)], &zero)?;
        let b = ops::pad(&b, &[(0, more), (0, 0)], &zero)?;
        let b = match scale == common {
            true => b,
            false => ops::multiply(&b, &Array::scalar((scale / common) as f32)?)?,
        };
        match expert(&path) {
            Some((stack, number)) => {
                let halves = [ops::transpose(&a, &[1, 0])?, ops::transpose(&b, &[1, 0])?];
                stacks.entry(stack).or_default().push((number, halves));
            }
            None => {
                weights.insert(format!("{path}.lora_a"), a);
                weights.insert(format!("{path}.lora_b"), b);
            }
        }
    }
    for (path, experts) in stacks {
        for (half, name) in ["lora_a", "lora_b"].into_iter().enumerate() {
            weights.insert(format!("{path}.{name}"), stacked(&experts, half)?);
        }
    }
    let mut keys: Vec<String> = Vec::new();
    for path in weights.keys().filter_map(|n| n.strip_suffix(".lora_a")) {
        let key = in_layer(path);
        if !keys.iter().any(|k| k == key) {
            keys.push(key.to_owned());
        }
    }
    keys.sort_unstable();
    let config = AdapterConfig {
        fine_tune_type: if dora { "dora" } else { "lora" }.into(),
        model: config.base_model_name_or_path,
        num_layers: -1,
        lora_parameters: LoraParameters {
            rank,
            scale: common,
            dropout: config.lora_dropout,
            keys: Some(keys),
        },
        quantize: None,
        run: OfRun::default(),
        row_order: Some(ROW_ORDER.into()),
        partial: true,
    };
    Ok((config, weights))
}

impl Config {
    fn check(&self) -> Result<()> {
        ensure!(
            self.peft_type == "LORA",
            "unsupported kind of PEFT adapter: expected \"LORA\", found {:?}",
            self.peft_type
        );
        ensure!(
            self.r > 0 && self.lora_alpha.is_finite() && self.lora_alpha != 0.0,
            "expected r above 0 and lora_alpha other than 0, found {} and {}",
            self.r,
            self.lora_alpha
        );
        let off = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        for key in REFUSED {
            let value = self.others.get(key).unwrap_or(&Value::Null);
            ensure!(off(value), "unsupported {key} {value}");
        }
        let bias = self.others.get("bias").unwrap_or(&Value::Null);
        ensure!(bias.is_null() || bias == "none", "unsupported bias {bias}");
        // These change the model's own weights as well.
        let start = self.others.get("init_lora_weights").and_then(Value::as_str);
        if let Some(start) = start.filter(|s| !matches!(*s, "gaussian" | "eva" | "orthogonal")) {
            bail!("unsupported init_lora_weights {start:?}: convert the adapter to plain LoRA when PEFT saves it");
        }
        Ok(())
    }

    /// The factor that scales the adapter at `path`, which has rank `rank`.
    fn scale(&self, path: &str, rank: i32) -> Result<f64> {
        let mut alpha = self.lora_alpha;
        for (pattern, own) in &self.alpha_pattern {
            // As `get_pattern_key` of PEFT.
            let whole = regex::Regex::new(&format!(r"^(.*\.)?({pattern})$"))
                .with_context(|| format!("unsupported alpha_pattern {pattern:?}"))?;
            if whole.is_match(path) {
                alpha = own
                    .as_f64()
                    .with_context(|| format!("expected numbers in alpha_pattern, found {own}"))?;
                break;
            }
        }
        let rank = f64::from(rank);
        Ok(match self.use_rslora {
            true => alpha / rank.sqrt(),
            false => alpha / rank,
        })
    }
}

/// The end of the name of a tensor with norms.
pub const MAGNITUDE: &str = "lora_magnitude_vector";

/// The halves of the adapter of a table.
pub const TABLE_HALVES: [&str; 2] = ["lora_embedding_A", "lora_embedding_B"];

/// True if the matrix at `path` is a table of tokens.
pub fn is_table(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    matches!(last, "embed_tokens" | "wte")
}

/// True if the tensor `name` belongs to the adapter of a table of tokens.
pub fn is_tables(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(path, _)| is_table(path))
}

/// The path of the matrix and the half, of a name such as `base_model.model.lm_head.lora_A.weight`; PEFT once put its
/// own name of the adapter before the last word.
fn place(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    // The norms were a bare tensor once, and the halves of tables are.
    let bare = |n: &&str| n.contains(MAGNITUDE) || TABLE_HALVES.iter().any(|half| n.contains(half));
    let rest = name.strip_suffix(".weight").or(Some(name).filter(bare))?;
    let rest = rest.strip_suffix(".default").unwrap_or(rest);
    let (path, half) = rest.rsplit_once('.')?;
    let path = path.strip_prefix("transformer.").unwrap_or(path);
    let known = matches!(half, "lora_A" | "lora_B" | MAGNITUDE) || TABLE_HALVES.contains(&half);
    known.then_some((path, half))
}

/// The stack that holds an expert's matrix here, and the number of the expert.
fn expert(path: &str) -> Option<(String, usize)> {
    let (block, rest) = path.split_once(".experts.")?;
    let (number, part) = rest.split_once('.')?;
    let part = match part {
        "w1" => "gate_proj",
        "w2" => "down_proj",
        "w3" => "up_proj",
        part => part,
    };
    Some((format!("{block}.switch_mlp.{part}"), number.parse().ok()?))
}

/// One half of the experts' adapters; zeros for experts without one.
fn stacked(experts: &[(usize, [Array; 2])], half: usize) -> Result<Array> {
    let count = experts.iter().map(|e| e.0 + 1).max().unwrap_or(0);
    // No model has so many; the numbers come from names.
    ensure!(
        count <= 10_000,
        "expected at most 10000 experts, found {count}"
    );
    let first = experts
        .first()
        .context("expected one expert or more, found none")?;
    let none = ops::zeros(first.1[half].shape(), Dtype::Float32)?;
    let mut all = vec![&none; count];
    for (number, halves) in experts {
        all[*number] = &halves[half];
    }
    Ok(ops::stack(&all, 0)?)
}

/// Returns the part of `path` that follows the number of the layer.
pub fn in_layer(path: &str) -> &str {
    let mut at = 0;
    for word in path.split('.') {
        at += word.len() + 1;
        if word.parse::<u32>().is_ok() {
            return path.get(at..).unwrap_or(path);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_of_experts_are_stacked() {
        let folder = tempfile::tempdir().unwrap();
        let stem = "base_model.model.model.layers.3.block_sparse_moe.experts";
        let mut arrays = Vec::new();
        for (expert, first) in [(0, 1.0f32), (2, 7.0)] {
            let values: Vec<f32> = (0..6).map(|i| first + i as f32).collect();
            let a = Array::from_slice(&values, &[2, 3]).unwrap();
            let b = Array::from_slice(&values[..4], &[2, 2]).unwrap();
            arrays.push((format!("{stem}.{expert}.w2.lora_A.weight"), a));
            arrays.push((format!("{stem}.{expert}.w2.lora_B.weight"), b));
        }
        io::save_safetensors(folder.path().join(WEIGHTS), &arrays, &HashMap::new()).unwrap();
        let config = serde_json::json!({"peft_type": "LORA", "r": 2, "lora_alpha": 8});
        let (config, weights) = read(folder.path(), config).unwrap();
        let lora = config.lora_parameters;
        assert_eq!((lora.rank, lora.scale), (2, 4.0));
        let keys = lora.keys.unwrap();
        assert_eq!(keys, ["block_sparse_moe.switch_mlp.down_proj"]);
        let found = |half: &str| {
            let name = format!("model.layers.3.block_sparse_moe.switch_mlp.down_proj.{half}");
            (
                weights[&name].shape().to_vec(),
                weights[&name].to_vec::<f32>().unwrap(),
            )
        };
        // Experts, then rows and columns as PEFT has them.
        let a: Vec<f32> = (1..7)
            .chain([0; 6])
            .chain(7..13)
            .map(|n| n as f32)
            .collect();
        assert_eq!(found("lora_a"), (vec![3, 2, 3], a));
        let b: Vec<f32> = (1..5)
            .chain([0; 4])
            .chain(7..11)
            .map(|n| n as f32)
            .collect();
        assert_eq!(found("lora_b"), (vec![3, 2, 2], b));
    }
}
