//! `docs/errors.md`: every error of the macros, by kind.
//!
//! Tests: `tests/current.rs`.

use mlx_macros_core::errors::{Code, ENTRIES};

use crate::File;

pub fn file() -> File {
    let mut text = String::from(
        "# Errors\n\n\
         Every error that the macros report, by kind, with the hint of each kind. Braces mark the parts that an error\n\
         fills in. [Read an error](how-to/read-an-error.md) explains the form of a message. `cargo xtask generate`\n\
         writes this page from the table in `mlx-macros/core/src/diag/errors`.\n",
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
