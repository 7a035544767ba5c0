//! Saves safetensors.
//!
//! Tests: `tests/io.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde_json::{json, Value};

use super::{header, write_atomic};
use crate::{ops, transforms, Array, Error, ErrorKind, Result};

const OP: &str = "save_safetensors";

/// Writes `arrays` and `metadata` to the file at `path`, which is replaced whole or left as it
/// was ([`super::write_atomic`]). Evaluates the arrays.
///
/// The same arrays and metadata give the same bytes. MLX: `save_safetensors`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] if a name is there twice or is `__metadata__`,
/// [`ErrorKind::Dtype`] for float64, [`ErrorKind::Io`] if the file cannot be written.
pub fn save_safetensors(
    path: impl AsRef<Path>,
    arrays: &[(String, Array)],
    metadata: &HashMap<String, String>,
) -> Result<()> {
    let mut rows = Vec::with_capacity(arrays.len());
    let mut names = HashSet::new();
    for (name, array) in arrays {
        if !names.insert(name) || name == "__metadata__" || name.contains('\0') {
            return Err(
                Error::invalid(OP, format!("duplicate or reserved name {name:?}"))
                    .with_hint("give each array a name of its own, other than `__metadata__`"),
            );
        }
        let dtype = header::name_of(array.dtype()).ok_or_else(|| {
            Error::new(
                ErrorKind::Dtype,
                format!("unsupported dtype of {name:?}: {}", array.dtype()),
            )
            .with_op(OP)
            .with_hint("convert the array to float32 with `ops::astype`")
        })?;
        rows.push((name, dtype, ops::contiguous(array, false)?));
    }
    // Wide elements first keeps every tensor aligned to its element.
    rows.sort_by_key(|(name, _, a)| (std::cmp::Reverse(a.dtype().size()), *name));
    transforms::eval(&rows.iter().map(|(_, _, a)| a).collect::<Vec<_>>())?;

    let mut entries = BTreeMap::new();
    if !metadata.is_empty() {
        let sorted: BTreeMap<_, _> = metadata.iter().collect();
        entries.insert("__metadata__".to_owned(), json!(sorted));
    }
    let mut at = 0;
    for (name, dtype, a) in &rows {
        let end = at + a.nbytes();
        let entry: Value = json!({"dtype": dtype, "shape": a.shape(), "data_offsets": [at, end]});
        entries.insert((*name).clone(), entry);
        at = end;
    }
    let mut text = serde_json::to_vec(&entries)
        .map_err(|e| Error::new(ErrorKind::Format, e.to_string()).with_op(OP))?;
    // The data begins at a multiple of eight.
    text.resize(text.len().next_multiple_of(8), b' ');

    write_atomic(path, |out| {
        out.write_all(&(text.len() as u64).to_le_bytes())?;
        out.write_all(&text)?;
        for (_, _, a) in &rows {
            out.write_all(a.bytes()?)?;
        }
        Ok(())
    })
    .map_err(|e| e.with_op(OP))
}
