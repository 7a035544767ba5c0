//! The files of the repository by extension, for the build script and the tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders that hold no committed text.
const SKIPPED: [&str; 5] = [".git", "target", "found", "seeds", "node_modules"];

/// Every file below `folder` with an extension, relative to the folder, in order.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, Path::new(""), extension, &mut found);
    found.sort();
    found
}

fn walk(root: &Path, folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(root.join(folder)).expect("the folder is readable");
    for entry in entries.map(|e| e.expect("the folder is readable")) {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("the entry has a type");
        if kind.is_dir() && !SKIPPED.iter().any(|s| entry.file_name() == *s) {
            walk(root, &path, extension, found);
        } else if kind.is_file() && path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}
