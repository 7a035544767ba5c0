//! The table of errors: some case of the UI tests shows each line.

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

#[test]
fn texts_are_one_sentence_in_lower_case() {
    let wrong = |text: &str| {
        let text = text.replace("..", "");
        text.starts_with(char::is_uppercase) || text.ends_with('.') || text.contains(". ")
    };
    let texts = ENTRIES.iter().map(|e| e.text);
    let hints = Code::ALL.iter().map(|c| c.hint());
    let all: Vec<&str> = texts.chain(hints).filter(|t| wrong(t)).collect();
    assert!(all.is_empty(), "{all:#?}");
}
