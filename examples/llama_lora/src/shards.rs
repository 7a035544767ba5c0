//! Writes the tensors of a model as a Hugging Face folder has them: files of about one size, and an index.
//!
//! One file's tensors are in memory at a time. The index is written last: a folder without it was not finished.
//!
//! Tests: `tests/synth.rs`, `tests/fuse.rs`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use mlx_runtime::model::Quantization;
use mlx_runtime::{io, memory, ops, transforms, Array};
use serde_json::{json, Map, Value};

use crate::files::write_atomic;

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

/// The files of tensors of a folder that is being written.
pub struct Shards<'a> {
    folder: &'a Path,
    size: usize,
    held: Vec<(String, Array)>,
    /// Names of each file's tensors.
    names: Vec<Vec<String>>,
    written: Written,
}

impl<'a> Shards<'a> {
    /// Files of about `size` bytes in `folder`.
    pub fn new(folder: &'a Path, size: usize) -> Self {
        Shards {
            folder,
            size: size.max(1),
            held: Vec::new(),
            names: Vec::new(),
            written: Written::default(),
        }
    }

    /// Adds a tensor to the present file, or to a new one if there is no room in it.
    pub fn add(&mut self, name: String, values: Array) -> Result<()> {
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

    /// Names the files and writes the index.
    pub fn finish(mut self) -> Result<Written> {
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

/// The tensors that stand for a matrix, evaluated. A matrix with rows that groups do not divide stays as it is.
pub fn packed(
    name: String,
    values: Array,
    how: Option<Quantization>,
) -> Result<Vec<(String, Array)>> {
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
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    Ok(all)
}

/// Writes a JSON file of `folder`.
pub fn put(folder: &Path, name: &str, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    write_atomic(&folder.join(name), text.as_bytes())
}

fn part(i: usize) -> String {
    format!("part-{:05}.safetensors.tmp", i + 1)
}
