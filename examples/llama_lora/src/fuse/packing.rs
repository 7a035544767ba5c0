//! The packing of a checkpoint's matrices: from the entry `quantization` of its configuration, as mlx-lm reads it, or,
//! for a GGUF file, from the shapes.
//!
//! Tests: `tests/fuse.rs`.

use std::collections::{BTreeMap, HashMap};

use anyhow::{ensure, Context, Result};
use mlx_runtime::model::Quantization;
use mlx_runtime::Array;
use serde_json::{json, Value};

/// Values of a GGUF block that share a scale.
const BLOCK: i32 = 32;

/// The packing of each packed matrix, by the name of its weight without `.weight`.
pub type Packings = BTreeMap<String, Quantization>;

/// Reads the packings of `weights`, and brings the entry into `json` if it is missing there.
pub fn read(weights: &HashMap<String, Array>, json: &mut Value) -> Result<Packings> {
    let mut all = Packings::new();
    let stems = weights
        .keys()
        .filter_map(|name| name.strip_suffix(".scales"));
    let stems: Vec<&str> = stems
        .filter(|stem| weights.contains_key(&format!("{stem}.weight")))
        .collect();
    if stems.is_empty() {
        return Ok(all);
    }
    let entry = json["quantization"].clone();
    for stem in stems {
        let how = match entry.is_object() {
            true => of_config(&entry, stem)?,
            false => of_shapes(weights, stem)?,
        };
        all.insert(stem.to_owned(), how);
    }
    if !entry.is_object() {
        json["quantization"] = described(&all);
    }
    Ok(all)
}

/// A layer may have an entry of its own beside the model's.
fn of_config(entry: &Value, stem: &str) -> Result<Quantization> {
    let own = match &entry[stem] {
        own @ Value::Object(_) => own,
        _ => entry,
    };
    let number = |key: &str| own[key].as_i64().and_then(|n| i32::try_from(n).ok());
    let mode = own["mode"].as_str().or(entry["mode"].as_str());
    Ok(Quantization::new(
        mode.unwrap_or("affine"),
        number("group_size"),
        number("bits"),
    )?)
}

fn of_shapes(weights: &HashMap<String, Array>, stem: &str) -> Result<Quantization> {
    let last = |leaf: &str| -> Result<i32> {
        let name = format!("{stem}.{leaf}");
        let array = weights
            .get(&name)
            .with_context(|| format!("{name} is missing"))?;
        Ok(array.dim(-1)?)
    };
    let (words, groups) = (last("weight")?, last("scales")?);
    ensure!(
        groups > 0 && words % groups == 0,
        "{stem}.weight: expected a packed matrix, found {words} words for {groups} scales in a row"
    );
    Ok(Quantization::Affine {
        group_size: BLOCK,
        bits: words / groups,
    })
}

/// The entry `quantization`: the usual packing, and those of layers with another.
fn described(all: &Packings) -> Value {
    let mut counts: HashMap<Quantization, usize> = HashMap::new();
    for how in all.values() {
        *counts.entry(*how).or_default() += 1;
    }
    let usual = all.values().max_by_key(|how| counts.get(how)).copied();
    let mut entry = entry(usual.unwrap_or_default());
    for (stem, how) in all.iter().filter(|(_, how)| Some(**how) != usual) {
        entry[stem] = self::entry(*how);
    }
    entry
}

/// A packing as configurations write it.
pub fn entry(how: Quantization) -> Value {
    let (group_size, bits) = how.group_size_and_bits();
    json!({"group_size": group_size, "bits": bits, "mode": how.name()})
}
