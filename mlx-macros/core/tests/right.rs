//! The models of the examples, and those that the UI tests compile, have no mistakes: a fast look
//! before rustc's.

use std::path::{Path, PathBuf};

use mlx_macros_core::diag::Code;
use mlx_macros_core::source::sources;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(folder);
    let all = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path());
    all.filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The mistakes in a file's models and functions.
fn mistakes(path: &Path) -> Vec<String> {
    let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
    let found = sources(&file).into_iter().flat_map(|s| s.mistakes());
    // Digests are looked for in the crate that the model is in.
    let found = found.filter(|d| d.code != Code::Digest);
    found
        .map(|d| format!("{}:{}: {}", path.display(), d.span.start().line, d.message))
        .collect()
}

#[test]
fn models_that_compile_have_no_mistakes() {
    for folder in [
        "examples/models/src",
        "tests",
        "tests/kernels",
        "tests/parity",
        "tests/reliability",
        "tests/src",
        "tests/ui/pass",
    ] {
        for path in files(folder) {
            assert_eq!(mistakes(&path), [""; 0]);
        }
    }
}

/// The messages that need no rustc are those that the UI tests show.
#[test]
fn models_that_do_not_compile_have_the_messages_shown() {
    let mut wrong = Vec::new();
    // The macros refuse what is nested deeper than a parser's stack before they parse it.
    let deep = |p: &PathBuf| p.ends_with("nested_too_deeply.rs");
    // With a source file the macros know its names, and say more of those that it has not.
    let names = [
        "attributes_on_other_fields.rs",
        "layer_without_its_import.rs",
        "names_of_other_libraries.rs",
    ];
    let by_file = |p: &PathBuf| names.iter().any(|n| p.ends_with(n));
    let all = files("tests/ui/fail").into_iter();
    for path in all.filter(|p| !deep(p) && !by_file(p)) {
        let shown = std::fs::read_to_string(path.with_extension("stderr")).unwrap_or_default();
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(file) = syn::parse_file(&text) else {
            continue;
        };
        let found = sources(&file).into_iter().flat_map(|s| s.mistakes());
        let found = found.filter(|d| d.code != Code::Digest && d.code != Code::Syntax);
        let missing = found.filter(|d| !shown.contains(&d.message));
        wrong.extend(missing.map(|d| format!("{}: {}", path.display(), d.message)));
    }
    assert_eq!(wrong, [""; 0]);
}
