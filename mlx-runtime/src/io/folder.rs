//! Folders of safetensors, as the Hugging Face hub has them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{bad_file, io_error, load_safetensors};
use crate::{Array, Error, ErrorKind, Result};

const OP: &str = "load_safetensors_folder";
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

#[derive(Deserialize)]
struct Index {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

/// The arrays of a model in the folder at `path`: of the files that
/// `model.safetensors.index.json` lists, or else of `model.safetensors`, or else of the one
/// `.safetensors` file there is. See [`load_safetensors`].
///
/// # Errors
/// [`ErrorKind::Io`] if there is no such file, [`ErrorKind::Format`] if one is truncated or
/// corrupt, or does not hold what the index says.
pub fn load_safetensors_folder(path: impl AsRef<Path>) -> Result<HashMap<String, Array>> {
    let folder = path.as_ref();
    let index = folder.join(INDEX);
    match fs::read(&index) {
        Ok(text) => load_indexed(folder, &index, &text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(load_safetensors(single(folder)?)?.0)
        }
        Err(e) => Err(io_error(OP, &index, e)),
    }
}

fn single(folder: &Path) -> Result<PathBuf> {
    let file = folder.join(SINGLE);
    if file.exists() {
        return Ok(file);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| io_error(OP, folder, e))? {
        let path = entry.map_err(|e| io_error(OP, folder, e))?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            found.push(path);
        }
    }
    match (found.pop(), found.len()) {
        (Some(file), 0) => Ok(file),
        (None, _) => Err(Error::new(
            ErrorKind::Io,
            format!("{}: there is no .safetensors file", folder.display()),
        )
        .with_op(OP)),
        (Some(_), _) => Err(Error::new(
            ErrorKind::Io,
            format!(
                "{}: several .safetensors files and no {INDEX}",
                folder.display()
            ),
        )
        .with_op(OP)
        .with_hint("fetch the index, or load the files one by one")),
    }
}

fn load_indexed(folder: &Path, index: &Path, text: &[u8]) -> Result<HashMap<String, Array>> {
    let parsed: Index =
        serde_json::from_slice(text).map_err(|e| bad_file(OP, index, &e).with_source(e))?;
    let files: BTreeSet<&String> = parsed.weight_map.values().collect();
    let mut out = HashMap::with_capacity(parsed.weight_map.len());
    for file in files {
        // An index comes from elsewhere: it must not lead out of its folder.
        if Path::new(file)
            .file_name()
            .is_none_or(|n| n != file.as_str())
        {
            return Err(bad_file(
                OP,
                index,
                format!("{file:?} is not a file's name"),
            ));
        }
        let path = folder.join(file);
        let (arrays, _) = load_safetensors(&path)?;
        for (name, array) in arrays {
            // Files may repeat a tensor; the index says which one counts.
            if parsed.weight_map.get(&name) == Some(file) {
                out.insert(name, array);
            }
        }
    }
    let missing = parsed
        .weight_map
        .iter()
        .find(|(name, _)| !out.contains_key(*name));
    if let Some((name, file)) = missing {
        return Err(bad_file(
            OP,
            index,
            format!("{file} does not hold {name:?}"),
        ));
    }
    Ok(out)
}
