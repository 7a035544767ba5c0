//! The files of the repository by extension, for the build script and the tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of the root that are committed; a checkout may hold others, such as virtual environments.
pub const FOLDERS: [&str; 10] = [
    ".ci",
    ".github",
    "docs",
    "examples",
    "fuzz",
    "mlx-macros",
    "mlx-runtime",
    "mlx-sys",
    "tests",
    "xtask",
];

/// Folders below these without pages.
const SKIPPED: [&str; 3] = ["found", "seeds", "target"];

/// Every file of the repository with an extension, relative to the root, in order.
pub fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let enters = |folder: &Path| match folder.to_str() {
        Some(name) if !name.contains('/') => FOLDERS.contains(&name),
        _ => !SKIPPED.iter().any(|s| folder.ends_with(s)),
    };
    walk(Path::new(""), &enters, &mut found);
    found.retain(|p| p.extension().is_some_and(|e| e == extension));
    found.sort();
    found
}

fn walk(folder: &Path, enters: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is readable");
    for entry in entries.map(|e| e.expect("the folder is readable")) {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("the entry has a type");
        if kind.is_dir() && enters(&path) {
            walk(&path, enters, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}
