//! The table of errors: each line is shown by some case of the UI tests, and the reference lists
//! them all.
//!
//! After a change of the table: `ERRORS_MD=write cargo test -p mlx-macros-core --test errors`.

use std::path::Path;

use mlx_macros_core::errors::{Code, Entry, ENTRIES};

/// The fixed pieces of a text, between its parameters.
fn pieces(text: &str) -> Vec<String> {
    let plain = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pieces = Vec::new();
    for (i, part) in plain.split('{').enumerate() {
        let fixed = match i {
            0 => part,
            _ => part.split_once('}').map_or(part, |(_, rest)| rest),
        };
        pieces.push(fixed.replace('\u{1}', "{").replace('\u{2}', "}"));
    }
    pieces.retain(|p| !p.is_empty());
    pieces
}

/// True if a message can come of a text.
fn fits(message: &str, entry: &Entry) -> bool {
    let mut rest = message;
    pieces(entry.text)
        .iter()
        .all(|p| match rest.find(p.as_str()) {
            Some(at) => {
                rest = &rest[at + p.len()..];
                true
            }
            None => false,
        })
}

#[test]
fn every_error_is_shown_by_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ui/fail");
    let mut messages = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "stderr") {
            let text = std::fs::read_to_string(path).unwrap();
            let errors = text.lines().filter_map(|l| l.strip_prefix("error: "));
            messages.extend(errors.map(String::from));
        }
    }
    // Cargo always says where a source file is, rust-analyzer and a bare rustc may not.
    let shown = |e: &&Entry| e.name == "digest_nowhere" || messages.iter().any(|m| fits(m, e));
    let missing: Vec<&str> = ENTRIES
        .iter()
        .filter(|e| !shown(e))
        .map(|e| e.name)
        .collect();
    assert!(
        missing.is_empty(),
        "no case in tests/ui/fail shows {missing:#?}"
    );
}

#[test]
fn texts_have_a_fixed_part_and_one_name() {
    for e in ENTRIES {
        assert!(!pieces(e.text).is_empty(), "{}", e.name);
        let same = ENTRIES.iter().filter(|o| o.text == e.text).count();
        assert_eq!(same, 1, "the text of {} stands twice", e.name);
    }
    for code in Code::ALL {
        assert!(!code.label().is_empty());
        assert!(
            ENTRIES.iter().any(|e| e.code == *code),
            "{code:?} has no text"
        );
    }
}

/// The reference as it should be.
fn reference() -> String {
    let mut text = String::from(
        "# Errors\n\n\
         Every mistake that the macros report, by kind: its texts, with what is filled in in braces, and the\n\
         hint that follows them. [guide.md](guide.md#how-to-read-an-error) says how to read one. This page is\n\
         written from the table in `mlx-macros/core/src/errors.rs`; a test compares both.\n",
    );
    for code in Code::ALL {
        let (first, rest) = code.label().split_at(1);
        text += &format!("\n## {}{rest}\n\n", first.to_uppercase());
        for e in ENTRIES.iter().filter(|e| e.code == *code) {
            text += &format!("- `` {} ``\n", e.text.replace("{{", "{").replace("}}", "}"));
        }
        if !code.hint().is_empty() {
            text += &format!("\nhelp: {}\n", code.hint());
        }
    }
    text
}

#[test]
fn the_reference_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    if std::env::var_os("ERRORS_MD").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == reference(),
        "docs/errors.md is not the table: ERRORS_MD=write cargo test -p mlx-macros-core --test errors"
    );
}
