//! The generated files of the workspace, each as its path and text.
//!
//! Tests: `tests/current.rs`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod bindings;
mod coverage;
mod errors;
mod explain;
mod kernels;
mod language;
mod methods;
mod wrappers;

/// A file that is generated and committed.
pub struct File {
    /// Its path in the workspace.
    pub path: String,
    /// Its contents.
    pub text: String,
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Generates every file.
///
/// # Errors
/// If a source cannot be read, or contradicts a table.
pub fn files() -> Result<Vec<File>> {
    let root = root();
    let mut files = wrappers::files()?;
    files.push(bindings::file());
    files.push(coverage::file(&root)?);
    files.push(errors::file());
    files.push(explain::file(&root)?);
    files.push(kernels::file()?);
    files.push(language::file(&root)?);
    files.push(methods::file());
    Ok(files)
}

/// Writes the files that are not current, and returns their paths; with `check` writes none.
///
/// # Errors
/// As [`files`], or if a file cannot be written.
pub fn generate(check: bool) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for File { path, text } in files()? {
        let file = root().join(&path);
        if std::fs::read_to_string(&file).is_ok_and(|committed| committed == text) {
            continue;
        }
        if !check {
            std::fs::write(&file, text).with_context(|| path.clone())?;
        }
        stale.push(path);
    }
    Ok(stale)
}
