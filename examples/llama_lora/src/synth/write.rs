//! Writes a drawn model as a Hugging Face folder.
//!
//! Tests: `tests/synth.rs`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use mlx_runtime::model::Quantization;
use mlx_runtime::{io, memory, ops, Array};
use serde_json::{json, Map, Value};

use super::Recipe;
use crate::files::{ensure_writable, write_atomic};
use crate::settings::Packing;
use crate::text::bytes;

/// The sizes of a written model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Tensors.
    pub tensors: usize,
    /// Files of them.
    pub shards: usize,
    /// Bytes of them.
    pub bytes: usize,
}

/// Writes `recipe` to `folder`, in files of about `shard` bytes; `packing` makes it a folder as mlx-lm quantises one.
///
/// One file's tensors are in memory at a time. The index is written last: a folder without it was not finished.
pub fn write(
    recipe: &Recipe,
    folder: &Path,
    packing: Option<Packing>,
    shard: usize,
) -> Result<Written> {
    ensure_writable(folder)?;
    ensure!(
        fs::read_dir(folder)?.next().is_none(),
        "folder {} is not empty: --out names a new folder",
        folder.display()
    );
    let mut config: Value = serde_json::from_str(&recipe.json)?;
    config["bos_token_id"] = json!(bytes::BOS.1);
    config["eos_token_id"] = json!(bytes::EOS.1);
    config["torch_dtype"] = json!(recipe.dtype().name());
    if let Some(p) = packing {
        config["quantization"] = serde_json::to_value(p)?;
    }
    put(folder, "config.json", &config)?;
    let tokenizer = bytes::tokenizer()?
        .to_string(true)
        .map_err(|e| anyhow::anyhow!("cannot write the tokenizer: {e}"))?;
    write_atomic(&folder.join("tokenizer.json"), tokenizer.as_bytes())?;
    let tokenizer = json!({
        "bos_token": bytes::BOS.0, "eos_token": bytes::EOS.0, "chat_template": bytes::TEMPLATE,
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    put(folder, "tokenizer_config.json", &tokenizer)?;

    let mut out = Shards {
        folder,
        size: shard.max(1),
        held: Vec::new(),
        names: Vec::new(),
        written: Written::default(),
    };
    // Each tensor is dropped as soon as its file is written.
    for (name, values) in recipe.tensors()? {
        for (name, part) in packed(name, values, packing)? {
            out.add(name, part)?;
        }
    }
    out.finish()
}

fn put(folder: &Path, name: &str, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    write_atomic(&folder.join(name), text.as_bytes())
}

/// The tensors that stand for a matrix, evaluated.
fn packed(name: String, values: Array, packing: Option<Packing>) -> Result<Vec<(String, Array)>> {
    let how = packing.map(Packing::how);
    let fits = |how: &Quantization| -> Result<bool> {
        Ok(values.ndim() == 2 && values.dim(1)? % how.group_size_and_bits().0 == 0)
    };
    let all = match (how, name.strip_suffix(".weight")) {
        (Some(how), Some(path)) if fits(&how)? => {
            let packed = ops::packed::pack(&values, how, None)?;
            let mut all = vec![
                (format!("{path}.weight"), packed.weight),
                (format!("{path}.scales"), packed.scales),
            ];
            all.extend(packed.biases.map(|b| (format!("{path}.biases"), b)));
            all
        }
        _ => vec![(name, values)],
    };
    mlx_runtime::transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    Ok(all)
}

struct Shards<'a> {
    folder: &'a Path,
    size: usize,
    held: Vec<(String, Array)>,
    /// Names of each file's tensors.
    names: Vec<Vec<String>>,
    written: Written,
}

impl Shards<'_> {
    fn add(&mut self, name: String, values: Array) -> Result<()> {
        let held: usize = self.held.iter().map(|(_, a)| a.nbytes()).sum();
        if !self.held.is_empty() && held + values.nbytes() > self.size {
            self.flush()?;
        }
        self.held.push((name, values));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        self.written.tensors += held.len();
        self.written.bytes += held.iter().map(|(_, a)| a.nbytes()).sum::<usize>();
        // The number of files is not known yet.
        let file = self.folder.join(part(self.names.len()));
        let metadata = HashMap::from([("format".to_owned(), "mlx".to_owned())]);
        io::save_safetensors(&file, &held, &metadata)?;
        self.names.push(held.into_iter().map(|(n, _)| n).collect());
        memory::clear_cache()?;
        Ok(())
    }

    fn finish(mut self) -> Result<Written> {
        self.flush()?;
        let count = self.names.len();
        let mut map = Map::new();
        for (i, names) in self.names.iter().enumerate() {
            let name = match count {
                1 => "model.safetensors".to_owned(),
                _ => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
            };
            fs::rename(self.folder.join(part(i)), self.folder.join(&name))
                .with_context(|| format!("cannot rename a file in {}", self.folder.display()))?;
            map.extend(names.iter().map(|n| (n.clone(), json!(name))));
        }
        map.sort_keys();
        let index = json!({"metadata": {"total_size": self.written.bytes}, "weight_map": map});
        put(self.folder, "model.safetensors.index.json", &index)?;
        self.written.shards = count;
        Ok(self.written)
    }
}

fn part(i: usize) -> String {
    format!("part-{:05}.safetensors.tmp", i + 1)
}
