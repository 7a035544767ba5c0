//! The Markdown files of the repository, for the build script and the tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders that hold no committed text.
const SKIPPED: [&str; 5] = [".git", "target", "found", "seeds", "node_modules"];

/// Every Markdown file below `folder`, relative to it, in order.
pub fn markdown(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, Path::new(""), &mut found);
    found.sort();
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(root.join(folder)).expect("the folder is readable");
    for entry in entries.map(|e| e.expect("the folder is readable")) {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("the entry has a type");
        if kind.is_dir() && !SKIPPED.iter().any(|s| entry.file_name() == *s) {
            walk(root, &path, found);
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}
