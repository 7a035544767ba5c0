//! The commands `adapter info`, `adapter convert` and `adapter merge`, for adapters of this program, of mlx-lm and of PEFT.
//!
//! Tests: `tests/adapter_files.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::{io, ops, Array, Dtype};
use serde_json::{json, Value};

use crate::adapter::{self, Adapter, AdapterConfig, ROW_ORDER};
use crate::checkpoint;
use crate::cli::{AdapterArgs, AdapterCommand, AdapterFormat};
use crate::files::write_atomic;
use crate::output;
use crate::peft;
use crate::settings::bounds;

/// Runs the command.
pub fn run(args: &AdapterArgs) -> Result<()> {
    match &args.command {
        AdapterCommand::Info { adapter } => output::result(info(&Adapter::read(adapter)?)?),
        AdapterCommand::Convert {
            adapter,
            to,
            save_path,
            overwrite,
        } => {
            check_target(save_path, *overwrite)?;
            let from = Adapter::read(adapter)?;
            if from.format() != *to && from.tensors().keys().any(|n| peft::is_tables(n)) {
                output::note("in a model that ties its head to the table of tokens, PEFT's adapter of the table leaves the head alone, and mlx-lm's does not");
            }
            let (config, arrays) = parts(from)?;
            save(save_path, *to, &config, arrays)?;
            output::result(format!(
                "wrote {}: an adapter as {to} has it\n",
                save_path.display()
            ))
        }
        AdapterCommand::Merge {
            adapters,
            weights,
            to,
            save_path,
            overwrite,
        } => {
            check_target(save_path, *overwrite)?;
            let weights = match weights {
                None => vec![1.0; adapters.len()],
                Some(w) => w.clone(),
            };
            ensure!(
                weights.len() == adapters.len() && weights.iter().all(|w| w.is_finite()),
                "expected {} finite numbers for --weights, one for each adapter, found {weights:?}",
                adapters.len()
            );
            let all = adapters.iter().map(|path| parts(Adapter::read(path)?));
            let (config, arrays) = merged(all.collect::<Result<_>>()?, &weights)?;
            let rank = config.lora_parameters.rank;
            save(save_path, *to, &config, arrays)?;
            output::result(format!(
                "wrote {}: {} adapters as one of rank {rank}\n",
                save_path.display(),
                adapters.len()
            ))
        }
    }
}

/// The configuration and the tensors, with the rows of queries and keys in Hugging Face's order.
fn parts(adapter: Adapter) -> Result<(AdapterConfig, HashMap<String, Array>)> {
    let mut config = adapter.config.clone();
    let arrays = match adapter.needs_sizes() {
        // An old adapter of a GGUF file: the file says how many heads there are.
        Some(model) => {
            let found = checkpoint::open(&model).with_context(|| {
                format!("the adapter has the row order of {model}, which must be there")
            })?;
            adapter.into_arrays(&found.config)?
        }
        None => adapter.into_arrays(&mlx_models::Config::default())?,
    };
    config.row_order = Some(ROW_ORDER.into());
    Ok((config, arrays))
}

fn check_target(folder: &Path, overwrite: bool) -> Result<()> {
    let there = [adapter::WEIGHTS, adapter::CONFIG, peft::WEIGHTS];
    let found = there.iter().find(|name| folder.join(name).exists());
    if let Some(name) = found.filter(|_| !overwrite) {
        bail!(
            "{} has {name} already: give another --save-path, or --overwrite to replace the adapter",
            folder.display()
        );
    }
    crate::files::ensure_writable(folder)
}

/// A description for people.
fn info(adapter: &Adapter) -> Result<String> {
    let (config, tensors) = (&adapter.config, adapter.tensors());
    let lora = &config.lora_parameters;
    let mut keys: BTreeMap<String, usize> = BTreeMap::new();
    let mut layers = BTreeSet::new();
    for name in tensors.keys() {
        let path = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(path, _)| path);
        let (layer, key) = layer_of(path);
        layers.extend(layer);
        *keys.entry(key.to_owned()).or_default() += 1;
    }
    let values: usize = tensors.values().map(Array::size).sum();
    let bytes: usize = tensors.values().map(Array::nbytes).sum();
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name:12} {value}");
    line("file", adapter.file().display().to_string())?;
    line("format", adapter.format().to_string())?;
    line("kind", config.fine_tune_type.clone())?;
    line(
        "model",
        config.model.clone().unwrap_or_else(|| "not named".into()),
    )?;
    if config.fine_tune_type != "full" {
        line("rank", lora.rank.to_string())?;
        line(
            "scale",
            format!(
                "{} (alpha {})",
                lora.scale,
                lora.scale * f64::from(lora.rank)
            ),
        )?;
        line("dropout", lora.dropout.to_string())?;
    }
    line("layers", spans(&layers))?;
    line(
        "matrices",
        keys.keys().cloned().collect::<Vec<_>>().join(", "),
    )?;
    line(
        "parameters",
        format!(
            "{values} in {} tensors, {:.1} MB",
            tensors.len(),
            bytes as f64 / 1e6
        ),
    )?;
    Ok(text)
}

/// `0-3, 7`.
fn spans(numbers: &BTreeSet<usize>) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for &n in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => spans.push((n, n)),
        }
    }
    let shown = spans.iter().map(|(a, b)| match a == b {
        true => a.to_string(),
        false => format!("{a}-{b}"),
    });
    match spans.is_empty() {
        true => "none".into(),
        false => shown.collect::<Vec<_>>().join(", "),
    }
}

/// The number of the layer, and the path inside it.
fn layer_of(path: &str) -> (Option<usize>, &str) {
    let key = peft::in_layer(path);
    let before = path
        .strip_suffix(key)
        .unwrap_or_default()
        .trim_end_matches('.');
    (before.rsplit('.').next().and_then(|n| n.parse().ok()), key)
}

fn save(
    folder: &Path,
    to: AdapterFormat,
    config: &AdapterConfig,
    arrays: HashMap<String, Array>,
) -> Result<()> {
    let mut named: Vec<(String, Array)> = arrays.into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    match to {
        AdapterFormat::Mlx => {
            let mut json = serde_json::to_value(config)?;
            if let Value::Object(map) = &mut json {
                map.retain(|_, value| !value.is_null());
                map.sort_keys();
            }
            adapter::save(folder, &named, &json)
        }
        AdapterFormat::Peft => {
            let (json, arrays) = as_peft(config, &named)?;
            io::save_safetensors(
                folder.join(peft::WEIGHTS),
                &arrays,
                &HashMap::from([("format".to_owned(), "pt".to_owned())]),
            )?;
            let text = serde_json::to_string_pretty(&json)? + "\n";
            write_atomic(&folder.join(adapter::CONFIG), text.as_bytes())
        }
    }
}

/// The configuration and the tensors that PEFT would save: A is `[rank, in]`, B `[out, rank]`, an expert has its own.
fn as_peft(
    config: &AdapterConfig,
    named: &[(String, Array)],
) -> Result<(Value, Vec<(String, Array)>)> {
    let kind = config.fine_tune_type.as_str();
    ensure!(
        kind != "full",
        "PEFT has no adapters of full fine-tuning: write the model with fuse"
    );
    let lora = &config.lora_parameters;
    let (mut arrays, mut modules, mut layers) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (name, array) in named {
        let (path, leaf) = name
            .rsplit_once('.')
            .with_context(|| format!("unexpected tensor {name:?}"))?;
        let table = peft::is_table(path);
        ensure!(
            !table || kind != "dora",
            "PEFT has no DoRA of tables, which {path} is: write the model with fuse"
        );
        let half = match leaf {
            "lora_a" if table => peft::TABLE_HALVES[0],
            "lora_b" if table => peft::TABLE_HALVES[1],
            "lora_a" => "lora_A.weight",
            "lora_b" => "lora_B.weight",
            "m" => peft::MAGNITUDE,
            _ => bail!("unexpected tensor {name:?}: expected lora_a, lora_b or m"),
        };
        layers.extend(layer_of(path).0);
        let mut put = |path: &str, array: &Array| -> Result<()> {
            modules.insert(path.rsplit('.').next().unwrap_or(path).to_owned());
            let array = ops::contiguous(&ops::astype(array, Dtype::Float32)?, false)?;
            arrays.push((format!("base_model.model.{path}.{half}"), array));
            Ok(())
        };
        match (array.ndim(), path.split_once(".switch_mlp.")) {
            (1, _) => put(path, array)?,
            (2, _) => put(path, &ops::transpose(array, &[1, 0])?)?,
            (3, Some((block, part))) => {
                let part = match (block.ends_with("block_sparse_moe"), part) {
                    (true, "gate_proj") => "w1",
                    (true, "down_proj") => "w2",
                    (true, "up_proj") => "w3",
                    (_, part) => part,
                };
                for (i, expert) in ops::split(array, array.shape()[0], 0)?.iter().enumerate() {
                    put(
                        &format!("{block}.experts.{i}.{part}"),
                        &ops::squeeze(expert, &[0])?,
                    )?;
                }
            }
            _ => bail!("unexpected shape of {name:?}: {:?}", array.shape()),
        }
    }
    let mut json = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": config.model,
        "r": lora.rank, "lora_alpha": lora.scale * f64::from(lora.rank), "lora_dropout": lora.dropout,
        "target_modules": modules, "use_dora": kind == "dora", "use_rslora": false, "bias": "none",
        "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
    });
    // The others of a model's layers have none.
    if layers.first() != Some(&0) && !layers.is_empty() {
        json["layers_to_transform"] = json!(layers);
    }
    Ok((json, arrays))
}

/// One adapter that adds the weighted sum of what `all` add: their ranks stand side by side.
fn merged(
    all: Vec<(AdapterConfig, HashMap<String, Array>)>,
    weights: &[f64],
) -> Result<(AdapterConfig, HashMap<String, Array>)> {
    let mut config = all.first().context("expected an adapter")?.0.clone();
    for (other, _) in &all {
        ensure!(
            other.fine_tune_type == "lora",
            "unsupported merge of {}: expected lora: merge one after the other into the model, with fuse",
            other.fine_tune_type
        );
        if let (Some(a), Some(b)) = (&config.model, &other.model) {
            if a != b {
                output::note(format_args!("the adapters were trained on {a} and {b}"));
            }
        }
    }
    let rank: i32 = all.iter().map(|(c, _)| c.lora_parameters.rank).sum();
    bounds::lora(rank, 1.0).context("the ranks of the adapters together")?;
    let names: BTreeSet<&String> = all.iter().flat_map(|(_, arrays)| arrays.keys()).collect();
    let paths: BTreeSet<&str> = names
        .iter()
        .filter_map(|n| n.strip_suffix(".lora_a"))
        .collect();
    let mut out = HashMap::new();
    let mut keys = BTreeSet::new();
    for path in paths {
        let pair = |arrays: &HashMap<String, Array>| {
            let part = |half: &str| arrays.get(&format!("{path}.{half}")).cloned();
            Some([part("lora_a")?, part("lora_b")?])
        };
        let whole = all.iter().find_map(|(_, arrays)| pair(arrays));
        let [like_a, like_b] =
            whole.with_context(|| format!("{path}: expected lora_a and lora_b"))?;
        // Experts' pairs are transposed.
        let (axis_a, axis_b) = if like_a.ndim() == 3 { (1, 2) } else { (1, 0) };
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for ((config, arrays), weight) in all.iter().zip(weights) {
            let lora = &config.lora_parameters;
            let [a, b] = match pair(arrays) {
                Some(pair) => pair,
                None => {
                    let zeros = |like: &Array, axis: usize| {
                        let mut shape = like.shape().to_vec();
                        shape[axis] = lora.rank;
                        ops::zeros(&shape, Dtype::Float32)
                    };
                    [zeros(&like_a, axis_a)?, zeros(&like_b, axis_b)?]
                }
            };
            let factor = Array::scalar((lora.scale * weight) as f32)?;
            left.push(ops::astype(&a, Dtype::Float32)?);
            right.push(ops::multiply(&ops::astype(&b, Dtype::Float32)?, &factor)?);
        }
        let joined = |parts: &[Array], axis: usize, what: &str| {
            ops::concatenate(&parts.iter().collect::<Vec<_>>(), axis as i32)
                .with_context(|| format!("{path}.{what}: the adapters are of different models"))
        };
        out.insert(format!("{path}.lora_a"), joined(&left, axis_a, "lora_a")?);
        out.insert(format!("{path}.lora_b"), joined(&right, axis_b, "lora_b")?);
        keys.insert(layer_of(path).1.to_owned());
    }
    config.lora_parameters.rank = rank;
    config.lora_parameters.scale = 1.0;
    config.lora_parameters.dropout = 0.0;
    config.lora_parameters.keys = Some(keys.into_iter().collect());
    if all
        .iter()
        .any(|(c, _)| c.num_layers != config.num_layers || c.partial)
    {
        (config.num_layers, config.partial) = (-1, true);
    }
    config.run = Default::default();
    Ok((config, out))
}
