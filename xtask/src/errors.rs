//! `docs/errors.md`: every error of the macros, by kind.

use mlx_macros_core::errors::{Code, ENTRIES};

use crate::File;

pub fn file() -> File {
    let mut text = String::from(
        "# Errors\n\n\
         Every mistake that the macros report, by kind: its texts, with what is filled in in braces, and the\n\
         hint that follows them. [guide.md](guide.md#how-to-read-an-error) says how to read one. This page is\n\
         written by `cargo xtask generate` from the table in `mlx-macros/core/src/errors.rs`.\n",
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
    File {
        path: "docs/errors.md".into(),
        text,
    }
}
