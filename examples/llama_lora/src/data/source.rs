//! Data sets in files of any name: JSON lines, JSON and Parquet, from a folder or from the Hugging Face hub, several of them
//! with weights.
//!
//! Tests: `tests/sources.rs`.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use mlx_models::json;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::lines::Lines;
use super::part::Part;
use super::{parquet, Limit, Split};
use crate::files;
use crate::hub;
use crate::random::Shuffle;
use crate::text::Text;

/// A line, with where it is from.
pub type Line = (String, Map<String, Value>);

/// mlx-lm's `hf_dataset`, with a weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // docs/how-to/data.md says what each one is
pub struct HfDataset {
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<HfConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_feature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_feature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_feature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_feature: Option<String>,
    /// Times that each row counts in a pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// The part of a data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct HfConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The data that a run learns from: a folder, or data sets in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// A folder, a name of the hub, or the data set inside the program.
    pub folder: String,
    /// Data sets in place of the folder, if there are any.
    pub sets: Vec<HfDataset>,
    /// Decides which rows a weight below one leaves out.
    pub seed: u64,
}

impl Data {
    /// The rows of the split `name`; `None` if there is no such split.
    pub fn open(
        &self,
        name: &str,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Option<Split>> {
        match self.sets.as_slice() {
            [] => Split::open(&self.folder, name, text, limit, mask_prompt),
            sets => Split::of_sets(sets, name, self.seed, text, limit, mask_prompt),
        }
    }

    /// The rows of the split `name`, which must be there.
    pub fn require(
        &self,
        name: &str,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Split> {
        let found = self.open(name, text, limit, mask_prompt)?;
        found.with_context(|| match self.sets.is_empty() {
            true => format!("{}: {name}.jsonl is missing", self.folder),
            false => format!("{self} has no {name}_split: name one in hf_dataset"),
        })
    }
}

impl From<&str> for Data {
    fn from(folder: &str) -> Data {
        Data {
            folder: folder.to_owned(),
            sets: Vec::new(),
            seed: 0,
        }
    }
}

impl std::fmt::Display for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.sets.as_slice() {
            [] => f.write_str(&self.folder),
            sets => {
                let names: Vec<&str> = sets.iter().map(|s| s.path.as_str()).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// One data set or a list of them, as a file has it.
pub fn one_or_more<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<Vec<HfDataset>>, D::Error> {
    use serde_yaml_ng::{from_value, Value};
    let sets = match Option::<Value>::deserialize(from)? {
        None | Some(Value::Null) => return Ok(None),
        Some(list @ Value::Sequence(_)) => from_value(list),
        Some(one) => from_value(one).map(|set| vec![set]),
    };
    sets.map(Some).map_err(serde::de::Error::custom)
}

/// The names that files and folders of a split have.
const NAMES: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("valid", &["valid", "validation", "val", "dev"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

const KINDS: [&str; 3] = ["jsonl", "json", "parquet"];

impl HfDataset {
    /// The data set that is named alone: its splits have the usual names.
    pub fn named(path: &str) -> HfDataset {
        HfDataset {
            path: path.to_owned(),
            train_split: Some("train".into()),
            valid_split: Some("valid".into()),
            test_split: Some("test".into()),
            ..HfDataset::default()
        }
    }

    /// An error if a setting is wrong.
    pub fn check(&self) -> Result<()> {
        ensure!(
            !self.path.is_empty(),
            "hf_dataset has no path: name a folder, or ORG/NAME of the hub"
        );
        let weight = self.weight.unwrap_or(1.0);
        ensure!(
            weight > 0.0 && weight <= 1000.0,
            "weight of {} is {weight}, expected a number above 0 and at most 1000",
            self.path
        );
        let splits = [&self.train_split, &self.valid_split, &self.test_split];
        for split in splits.into_iter().flatten() {
            Part::all(split)?;
        }
        Ok(())
    }

    /// The lines of the split `name`: train, valid or test. `None` if there is no such split.
    pub fn read(&self, name: &str, seed: u64) -> Result<Option<Vec<Line>>> {
        let (split, default) = match name {
            "train" => (&self.train_split, Some("train[:80%]")),
            "valid" => (&self.valid_split, Some("train[-10%:]")),
            _ => (&self.test_split, None),
        };
        let Some(split) = split.as_deref().or(default) else {
            return Ok(None);
        };
        let (folder, all) = self.files()?;
        let mut lines = Vec::new();
        for part in Part::all(split)? {
            let files = files_of(&all, &part.name);
            if files.is_empty() {
                // A split that is asked for by name must be there; one that is only usual may be missing.
                ensure!(
                    name != "train",
                    "{}: expected a split {:?}, found the files {}",
                    self.path,
                    part.name,
                    if all.is_empty() {
                        "none".to_owned()
                    } else {
                        all.join(", ")
                    }
                );
                return Ok(None);
            }
            let mut own = Vec::new();
            for file in files {
                read_file(&folder.join(file), &mut own)?;
            }
            lines.extend(part.cut(own));
        }
        for (_, line) in &mut lines {
            self.rename(line);
        }
        Ok(Some(match name {
            "train" => self.weighted(lines, seed),
            _ => lines,
        }))
    }

    /// Puts features under the names that rows have.
    fn rename(&self, line: &mut Map<String, Value>) {
        let names = [
            (&self.prompt_feature, "prompt"),
            (&self.completion_feature, "completion"),
            (&self.chat_feature, "messages"),
            (&self.text_feature, "text"),
        ];
        for (own, usual) in names {
            if let Some(own) = own.as_deref().filter(|own| *own != usual) {
                // The usual name means something else here.
                line.remove(usual);
                if let Some(value) = line.remove(own) {
                    line.insert(usual.to_owned(), value);
                }
            }
        }
    }

    /// Each line as often as the weight says; of a fraction, so many lines by chance.
    fn weighted(&self, lines: Vec<Line>, seed: u64) -> Vec<Line> {
        let weight = self.weight.unwrap_or(1.0);
        if weight == 1.0 {
            return lines;
        }
        let more = (lines.len() as f64 * weight.fract()).round() as usize;
        let mut chosen: Vec<usize> = Shuffle::new(seed).permutation(lines.len());
        chosen.truncate(more);
        chosen.sort_unstable();
        let mut all = Vec::new();
        for _ in 0..weight.trunc() as usize {
            all.extend(lines.iter().cloned());
        }
        all.extend(chosen.into_iter().map(|i| lines[i].clone()));
        all
    }

    /// A folder, and the files of the data set in it.
    fn files(&self) -> Result<(PathBuf, Vec<String>)> {
        let config = self.config.clone().unwrap_or_default();
        let here = Path::new(&self.path);
        let inside = |file: &str| {
            let folders = file.rsplit_once('/').map_or("", |(folders, _)| folders);
            let below = |top: &str| file.starts_with(&format!("{}/", top.trim_matches('/')));
            config.data_dir.as_deref().is_none_or(below)
                && config
                    .name
                    .as_deref()
                    .is_none_or(|name| folders.split('/').any(|f| f == name))
        };
        let wanted = |file: &str| {
            let kind = file
                .rsplit_once('.')
                .is_some_and(|(_, end)| KINDS.contains(&end));
            let about = ["dataset_infos.json", "dataset_info.json", "state.json"];
            let name = file.rsplit('/').next().unwrap_or(file);
            kind && !about.contains(&name) && inside(file)
        };
        if here.is_file() {
            let parent = here.parent().unwrap_or(Path::new(".")).to_owned();
            let name = here
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            return Ok((parent, vec![name]));
        }
        if here.is_dir() {
            let mut all = Vec::new();
            walk(here, "", 0, &mut all)?;
            all.retain(|file| wanted(file));
            all.sort_unstable();
            return Ok((here.to_owned(), all));
        }
        let Some(name) = hub::Name::data_set(&self.path, config.revision.as_deref()) else {
            bail!(
                "data set {} not found: name a folder, a file, or ORG/NAME of the Hugging Face hub",
                self.path
            );
        };
        hub::fetch_data(&name, wanted)
    }
}

/// Names of files below a folder.
fn walk(top: &Path, below: &str, depth: usize, all: &mut Vec<String>) -> Result<()> {
    let folder = top.join(below);
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        match entry.path().is_dir() {
            true if depth < 4 => walk(top, &path, depth + 1, all)?,
            true => {}
            false => all.push(path),
        }
    }
    Ok(())
}

/// The files of a split; all of them are `train` if none names a split.
fn files_of<'f>(all: &'f [String], split: &str) -> Vec<&'f String> {
    let words = |name: &'static [&'static str]| name.iter().copied();
    let usual = NAMES.iter().find(|(_, names)| names.contains(&split));
    let names: Vec<&str> = match usual {
        Some((_, names)) => words(names).collect(),
        None => vec![split],
    };
    let any = |file: &str, names: &[&str]| {
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let mut parts = stem.split(|c: char| !c.is_ascii_alphabetic());
        parts.any(|part| names.contains(&part)) || names.contains(&stem)
    };
    let found: Vec<&String> = all.iter().filter(|file| any(file, &names)).collect();
    let every: Vec<&str> = NAMES.iter().flat_map(|(_, n)| words(n)).collect();
    let named = all.iter().any(|file| any(file, &every));
    match found.is_empty() && !named && names.contains(&"train") {
        true => all.iter().collect(),
        false => found,
    }
}

fn read_file(path: &Path, lines: &mut Vec<Line>) -> Result<()> {
    let origin = path.display().to_string();
    match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => parquet::read(path, |number, map| {
            lines.push((format!("{origin}, row {number}"), map))
        })
        .with_context(|| format!("cannot read {origin}")),
        Some("json") => {
            let text = files::read_text_within(path, 1 << 32)?;
            if text.trim_start().starts_with('[') {
                let Value::Array(rows) =
                    json::parse(&text).with_context(|| format!("in {origin}"))?
                else {
                    bail!("{origin}: expected a list of objects");
                };
                for (i, row) in rows.into_iter().enumerate() {
                    lines.push((
                        format!("{origin}, row {}", i + 1),
                        object(row, &origin, i + 1)?,
                    ));
                }
                return Ok(());
            }
            read_lines(text.as_bytes(), &origin, lines)
        }
        _ => read_lines(std::io::BufReader::new(files::open(path)?), &origin, lines),
    }
}

fn read_lines(source: impl std::io::BufRead, origin: &str, lines: &mut Vec<Line>) -> Result<()> {
    let mut source = Lines::new(source);
    loop {
        let line = source.next_line();
        let number = source.number();
        let at = || format!("{origin}, line {number}");
        let Some(line) = line.with_context(at)? else {
            return Ok(());
        };
        let value = json::parse(&line)
            .context("expected a JSON object")
            .with_context(at)?;
        lines.push((at(), object(value, origin, number)?));
    }
}

fn object(value: Value, origin: &str, number: usize) -> Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        _ => bail!("{origin}, {number}: expected a JSON object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_the_split_in_their_name() {
        let all = |list: &[&str]| -> Vec<String> { list.iter().map(|s| (*s).to_owned()).collect() };
        let usual = all(&[
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
            "data/validation-00000-of-00001.parquet",
            "test_sft.jsonl",
        ]);
        let counts = ["train", "valid", "validation", "test"].map(|s| files_of(&usual, s).len());
        assert_eq!(counts, [2, 1, 1, 1]);
        let one = all(&["alpaca_data.json"]);
        assert_eq!(
            (files_of(&one, "train").len(), files_of(&one, "test").len()),
            (1, 0)
        );
    }
}
