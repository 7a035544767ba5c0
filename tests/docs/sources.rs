//! The source files: each names its tests, none is longer than 600 lines, and comments lead with the noun.

use std::fs;
use std::path::{Path, PathBuf};

use super::pages::{files, root};

/// Folders in which each file names its tests.
const FOLDERS: &[&str] = &[
    "mlx-sys/build",
    "mlx-sys/src",
    "mlx-runtime/src",
    "mlx-macros/src",
    "mlx-macros/core/src",
    "examples/models/src",
    "examples/llama_lora/src",
    "fuzz/src",
    "xtask/src",
];

/// Files that `cargo xtask generate` writes.
const GENERATED: &[&str] = &[
    "mlx-sys/build/pinned_bindings.rs",
    "mlx-runtime/src/generated/",
    "mlx-runtime/src/explain/calls/",
    "tests/kernels/generated.rs",
];

/// Files that no test runs: the README's first command does, and a step of a release.
const BY_HAND: &[&str] = &["examples/llama_lora/src/demo.rs", "xtask/src/dist.rs"];

const LONGEST: usize = 600;

/// Every source file, as a path from the root, without generated ones.
fn sources() -> Vec<String> {
    let all = ["rs", "cpp", "h", "cu", "py"].into_iter().flat_map(files);
    let all = all.map(|f| f.display().to_string());
    let all: Vec<String> = all
        .filter(|f| !GENERATED.iter().any(|g| f.starts_with(g)))
        .collect();
    assert!(all.len() > 1000, "only {} files", all.len());
    all
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// The folder with the manifest of the crate that a file belongs to.
fn crate_of(file: &str) -> PathBuf {
    let path = root().join(file);
    let folders = path.ancestors().skip(1);
    let mut crates = folders.filter(|f| f.join("Cargo.toml").exists());
    crates.next().unwrap().to_path_buf()
}

/// True if a package has a test of that name.
fn is_test(package: Option<&str>, own: &Path, name: &str) -> bool {
    let folder = match package {
        None => own.to_path_buf(),
        Some("mlx-tests") => root().join("tests"),
        Some("mlx-models") => root().join("examples/models"),
        Some("llama_lora") => root().join("examples/llama_lora"),
        Some("mlx-macros-core") => root().join("mlx-macros/core"),
        Some(package) => root().join(package),
    };
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.contains(&format!("name = \"{name}\""))
        || folder.join(format!("tests/{name}.rs")).exists()
        || folder.join(format!("tests/{name}/main.rs")).exists()
}

/// The fault of a file's head, if it has one.
fn fault(file: &str, text: &str) -> Option<String> {
    let head: Vec<&str> = text
        .lines()
        .map_while(|l| l.strip_prefix("//!"))
        .map(str::trim)
        .collect();
    let lines = head.iter().skip_while(|l| !l.starts_with("Tests: "));
    let said: Vec<&str> = lines.take_while(|l| !l.is_empty()).copied().collect();
    if said.is_empty() {
        return Some(format!("{file} does not say which tests cover it"));
    }
    let said = said.join(" ");
    if said.contains("unit tests below") && !text.contains("#[cfg(test)]") {
        return Some(format!("{file} has no unit tests"));
    }
    let names: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    if names.is_empty() && !said.contains("unit tests") {
        return Some(format!("{file} names no test"));
    }
    let own = crate_of(file);
    let mut package = None;
    for name in names {
        let found = match name.split_once("--test ") {
            Some((before, test)) => {
                package = Some(before.trim()).filter(|p| !p.is_empty()).or(package);
                is_test(package, &own, test)
            }
            None => {
                own.join(name).exists()
                    || root().join(name).exists()
                    || root().join(file).with_file_name(name).exists()
            }
        };
        if !found {
            return Some(format!("{file}: there is no {name}"));
        }
    }
    None
}

#[test]
fn each_file_names_tests_that_exist() {
    let all = sources();
    let named = |f: &&String| FOLDERS.iter().any(|folder| f.starts_with(folder));
    let heads = all.iter().filter(named).filter(|f| f.ends_with(".rs"));
    let heads: Vec<&String> = heads.filter(|f| !BY_HAND.contains(&f.as_str())).collect();
    assert!(heads.len() > 400, "only {} files", heads.len());
    let wrong: Vec<String> = heads.iter().filter_map(|f| fault(f, &read(f))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_head_that_names_no_test_is_found() {
    let file = "mlx-runtime/src/nn/linear.rs";
    let right = |text: &str| fault(file, text).is_none();
    assert!(right("//! A layer.\n//!\n//! Tests: `tests/layers.rs`.\n"));
    assert!(right(
        "//! Tests: `mlx-tests --test models`,\n//! `--test weights`.\n"
    ));
    assert!(right(
        "//! Tests: unit tests below.\n#[cfg(test)]\nmod tests {}\n"
    ));
    assert!(!right("//! A layer.\n"));
    assert!(!right("//! Tests: unit tests below.\n"));
    assert!(!right("//! Tests: by hand.\n"));
    assert!(!right("//! Tests: `tests/linears.rs`.\n"));
    assert!(!right("//! Tests: `mlx-tests --test layers`.\n"));
}

#[test]
fn no_file_is_too_long() {
    let long = |f: &String| read(f).lines().count() > LONGEST;
    let wrong: Vec<String> = sources().into_iter().filter(long).collect();
    assert!(
        wrong.is_empty(),
        "more than {LONGEST} lines, so two files: {wrong:?}"
    );
}

/// A comment that begins as a question is a riddle until its last word.
#[test]
fn comments_lead_with_the_noun() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = read(&file);
        let mut before = "";
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            let comment = ["//", "#"].iter().find_map(|m| line.strip_prefix(m));
            let said = comment.map(|c| c.trim_start_matches(['/', '!']).trim());
            // In the middle of a sentence the word may begin a line.
            let begins =
                !before.starts_with("//") && !before.starts_with('#') || before.ends_with('.');
            let riddle = ["What ", "Whether ", "Who "];
            if begins && said.is_some_and(|s| riddle.iter().any(|r| s.starts_with(r))) {
                wrong.push(format!("{file}:{}: {line}", i + 1));
            }
            before = line;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
