//! Saving and loading the tensors of a model.
//!
//! Tests: `tests/models_of_layers.rs`, `mlx-tests --test models`.

use std::collections::HashMap;
use std::path::Path;

use crate::{io, ops, transforms, Array, Error, ErrorKind, Result};

/// Writes named tensors, as `mlx.nn.Module.save_weights` does.
pub(crate) fn save(path: &Path, tensors: &[(String, Array)]) -> Result<()> {
    let metadata = HashMap::from([("format".to_owned(), "mlx".to_owned())]);
    io::save_safetensors(path, tensors, &metadata)
}

/// The tensors of a file in the order and the dtypes of `wanted`.
pub(crate) fn load(path: &Path, wanted: &[(String, Array)]) -> Result<Vec<Array>> {
    const SHOWN: usize = 20;
    let (mut found, _) = io::load_safetensors(path)?;
    let (mut problems, mut out) = (Vec::new(), Vec::new());
    for (name, old) in wanted {
        let Some(new) = found.remove(name) else {
            problems.push(format!("{name}: missing from the file"));
            continue;
        };
        let (floats, dtypes) = (
            old.dtype().is_float() && new.dtype().is_float(),
            (old.dtype(), new.dtype()),
        );
        if new.shape() != old.shape() {
            problems.push(format!(
                "{name}: expected {:?}, found {:?}",
                old.shape(),
                new.shape()
            ));
        } else if dtypes.0 == dtypes.1 {
            out.push(new);
        } else if floats {
            out.push(ops::astype(&new, old.dtype())?);
        } else {
            problems.push(format!("{name}: expected {}, found {}", dtypes.0, dtypes.1));
        }
    }
    let mut unknown: Vec<&String> = found.keys().collect();
    unknown.sort();
    problems.extend(
        unknown
            .iter()
            .map(|name| format!("{name}: unknown to the model")),
    );
    if problems.is_empty() {
        // The file may change afterwards.
        transforms::eval(&out.iter().collect::<Vec<_>>())?;
        return Ok(out);
    }
    let total = problems.len();
    problems.truncate(SHOWN);
    if total > SHOWN {
        problems.push(format!("and {} more", total - SHOWN));
    }
    let text = format!(
        "{} does not fit the model ({total} problems):\n  {}",
        path.display(),
        problems.join("\n  ")
    );
    Err(Error::new(ErrorKind::Format, text)
        .with_op("load")
        .with_hint("load the file into the model that saved it, or into one of the same sizes"))
}
