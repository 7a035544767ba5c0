//! One function for each parser: it takes any bytes, and may refuse them, but nothing else.
//!
//! Tests: `tests/short.rs`.

mod files;
pub mod macros;
mod settings;
mod text;

use crate::mutate::Form;

/// A parser and its inputs.
pub struct Target {
    /// Its name, and the name of its folder of seeds.
    pub name: &'static str,
    /// The way in which seeds are mutated.
    pub form: Form,
    /// Reads one input.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "macros",
        form: Form::Tokens,
        run: macros::run,
    },
    Target {
        name: "settings",
        form: Form::Text,
        run: settings::settings,
    },
    Target {
        name: "size",
        form: Form::Text,
        run: settings::size,
    },
    Target {
        name: "vocabulary",
        form: Form::Text,
        run: text::vocabulary,
    },
    Target {
        name: "template",
        form: Form::Text,
        run: text::template,
    },
    Target {
        name: "jsonl",
        form: Form::Text,
        run: text::jsonl,
    },
    Target {
        name: "adapter",
        form: Form::Text,
        run: settings::adapter,
    },
    Target {
        name: "safetensors",
        form: Form::Bytes,
        run: files::safetensors,
    },
    Target {
        name: "gguf",
        form: Form::Bytes,
        run: files::gguf,
    },
    Target {
        name: "npy",
        form: Form::Bytes,
        run: files::npy,
    },
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

impl Target {
    /// The seeds of its inputs: the files of `seeds/<name>`, and for the macros the models of the workspace.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(self.name);
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|f| Some(f.ok()?.path()))
            .collect();
        paths.sort();
        let mut seeds: Vec<Vec<u8>> = paths.iter().filter_map(|p| std::fs::read(p).ok()).collect();
        if let Form::Tokens = self.form {
            seeds.extend(macros::seeds());
        }
        seeds
    }
}
