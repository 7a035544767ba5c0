//! Loads folders of safetensors, as on the Hugging Face hub.
//!
//! Tests: `tests/io.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::{bad_file, io_error, load_safetensors, open_file};
use crate::{ops, Array, Error, ErrorKind, Result};

const OP: &str = "load_safetensors_folder";
const INDEX: &str = "model.safetensors.index.json";
/// The most bytes of an index. A model with a hundred thousand tensors has an index of 10 MB.
const LONGEST_INDEX: u64 = 256 << 20;
/// Files of adapters, which may lie beside a model.
const ADAPTERS: [&str; 2] = ["adapters.safetensors", "adapter_model.safetensors"];

#[derive(Deserialize)]
struct Index {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

/// The arrays of a model in the folder at `path`: of its files `model*.safetensors` and those that
/// `model.safetensors.index.json` names; without any, of all `.safetensors` files but adapters. See
/// [`load_safetensors`].
///
/// The files decide, not the index, which may be older. Tensors in the index that no file holds are left out (a tied
/// output projection, say), and so is an index if none of its files is there.
///
/// # Errors
/// [`ErrorKind::Io`] if there is no file, or if the index names a missing file and no other file holds its tensors.
/// [`ErrorKind::Format`] if a file is truncated or corrupt, or two of them hold different tensors of one name.
pub fn load_safetensors_folder(path: impl AsRef<Path>) -> Result<HashMap<String, Array>> {
    let folder = path.as_ref();
    let there = files(folder)?;
    let index = read_index(folder)?;
    let named: BTreeSet<&String> = index.values().collect();
    let stale = !named.iter().any(|f| there.contains(*f));
    let model = |f: &&String| f.starts_with("model") || named.contains(*f);
    let mut chosen: Vec<&String> = there.iter().filter(model).collect();
    if chosen.is_empty() {
        let other = |f: &&String| !ADAPTERS.contains(&f.as_str());
        chosen = there.iter().filter(other).collect();
    }
    if chosen.is_empty() {
        let missing = match named.first() {
            Some(file) => format!("; {INDEX} names {file}"),
            None => String::new(),
        };
        let text = format!(
            "{}: expected the .safetensors files of a model, found none{missing}",
            folder.display()
        );
        return Err(Error::new(ErrorKind::Io, text).with_op(OP));
    }

    let mut out = HashMap::new();
    let mut origin: HashMap<String, &String> = HashMap::new();
    for file in chosen {
        let (arrays, _) = load_safetensors(folder.join(file))?;
        for (name, array) in arrays {
            match (out.get(&name), origin.get(&name)) {
                (Some(before), Some(first)) => {
                    same(folder, &name, [(first, before), (file, &array)])?;
                }
                _ => {
                    origin.insert(name.clone(), file);
                    out.insert(name, array);
                }
            }
        }
    }
    let lost = |(name, file): &(&String, &String)| {
        !stale && !there.contains(*file) && !out.contains_key(*name)
    };
    if let Some((name, file)) = index.iter().find(lost) {
        let text = format!(
            "{}: {file} is missing; {INDEX} names it for {name:?}",
            folder.display()
        );
        return Err(Error::new(ErrorKind::Io, text)
            .with_op(OP)
            .with_hint("the model is incomplete: fetch the missing files"));
    }
    Ok(out)
}

/// The names of the `.safetensors` files, in order.
fn files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|e| io_error(OP, folder, e))? {
        let path = entry.map_err(|e| io_error(OP, folder, e))?.path();
        let name = path.file_name().and_then(|n| n.to_str());
        // Programs that copy files leave hidden ones beside them.
        let shown = |n: &&str| n.ends_with(".safetensors") && !n.starts_with('.');
        if let Some(name) = name.filter(shown).filter(|_| path.is_file()) {
            found.insert(name.to_owned());
        }
    }
    Ok(found)
}

/// The file of each tensor by the index, if there is one.
fn read_index(folder: &Path) -> Result<BTreeMap<String, String>> {
    let path = folder.join(INDEX);
    let mut text = Vec::new();
    let read =
        open_file(&path).and_then(|file| file.take(LONGEST_INDEX + 1).read_to_end(&mut text));
    match read {
        Ok(_) if text.len() as u64 <= LONGEST_INDEX => {}
        Ok(_) => return Err(bad_file(OP, &path, "the file is too large for an index")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(io_error(OP, &path, e)),
    }
    let index: Index =
        serde_json::from_slice(&text).map_err(|e| bad_file(OP, &path, &e).with_source(e))?;
    // An index comes from elsewhere: it must not lead out of its folder.
    let plain = |file: &&String| {
        Path::new(file)
            .file_name()
            .is_some_and(|n| n == file.as_str())
    };
    if let Some(file) = index.weight_map.values().find(|f| !plain(f)) {
        return Err(bad_file(
            OP,
            &path,
            format!("expected the name of a file, found {file:?}"),
        ));
    }
    Ok(index.weight_map)
}

/// Two files may repeat a tensor, if it is the same.
fn same(folder: &Path, name: &str, [(a, x), (b, y)]: [(&String, &Array); 2]) -> Result<()> {
    let alike = x.shape() == y.shape() && x.dtype() == y.dtype();
    if alike && ops::array_equal(x, y, true)?.item::<bool>()? {
        return Ok(());
    }
    let text = format!(
        "{}: {a} and {b} hold different values of the tensor {name:?}",
        folder.display()
    );
    Err(Error::new(ErrorKind::Format, text)
        .with_op(OP)
        .with_hint("remove the file that does not belong to the model"))
}
