//! The files beside the weights in a Hugging Face folder: the configuration, the tokenizer, the chat template.
//!
//! Tests: `tests/fuse.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, Context, Result};
use serde_json::Value;

use crate::files::{is_named, read_json, read_text, write_atomic};
use crate::shards::put;
use crate::text::{self, Text};

/// Files that belong to a model, and are copied as they are. Others, such as another format's weights, stay behind.
const COPIED: &[&str] = &[
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
    "USE_POLICY.md",
];

/// The folder of chat templates beside the usual one.
const MORE_TEMPLATES: &str = "additional_chat_templates";

/// The origin of the files.
#[derive(Clone, Debug)]
pub enum Beside {
    /// They are in this folder.
    Folder(PathBuf),
    /// The model is no folder: they are made from what it says.
    Made {
        /// `config.json`, or `None` if none says what the model is.
        config: Option<Value>,
        /// `tokenizer_config.json`, with the chat template.
        tokenizer_config: Value,
    },
}

impl Beside {
    /// The content of `config.json`.
    ///
    /// # Errors
    /// If it cannot be read, or a `config.json` cannot say what the model is.
    pub fn config(&self) -> Result<Value> {
        match self {
            Beside::Folder(folder) => read_json(&folder.join("config.json")),
            Beside::Made {
                config: Some(config),
                ..
            } => Ok(config.clone()),
            Beside::Made { config: None, .. } => bail!(
                "the rotation of this GGUF file has factors that a config.json does not hold: \
                 fuse with the model's Hugging Face folder (--model FOLDER)"
            ),
        }
    }

    /// The content of `tokenizer.json`.
    pub fn tokenizer(&self, text: &Text) -> Result<Value> {
        match self {
            Beside::Folder(folder) => read_json(&folder.join("tokenizer.json")),
            Beside::Made { .. } => Ok(serde_json::from_str(&text.tokenizer_json()?)?),
        }
    }

    /// The content of `tokenizer_config.json`; null if there is none.
    pub fn tokenizer_config(&self) -> Result<Value> {
        match self {
            Beside::Folder(folder) => {
                let path = folder.join("tokenizer_config.json");
                match is_named(&path) {
                    true => read_json(&path),
                    false => Ok(Value::Null),
                }
            }
            Beside::Made {
                tokenizer_config, ..
            } => Ok(tokenizer_config.clone()),
        }
    }

    /// The usual chat template.
    pub fn chat_template(&self) -> Result<Option<String>> {
        match self {
            Beside::Folder(folder) => {
                Ok(text::chat_templates(folder, &self.tokenizer_config()?)?.0)
            }
            Beside::Made {
                tokenizer_config, ..
            } => Ok(tokenizer_config["chat_template"].as_str().map(String::from)),
        }
    }

    /// Writes all of them but `config.json` to `to`.
    pub fn write(&self, text: &Text, to: &Path) -> Result<()> {
        match self {
            Beside::Folder(from) => {
                for name in COPIED.iter().filter(|name| is_named(&from.join(name))) {
                    copy(&from.join(name), &to.join(name))?;
                }
                let more = from.join(MORE_TEMPLATES);
                if !more.is_dir() {
                    return Ok(());
                }
                fs::create_dir_all(to.join(MORE_TEMPLATES))?;
                for entry in fs::read_dir(&more)
                    .with_context(|| format!("cannot read {}", more.display()))?
                {
                    let path = entry?.path();
                    if path.extension().is_some_and(|e| e == "jinja") {
                        let name = path.file_name().unwrap_or_default();
                        let template = read_text(&path)?;
                        write_atomic(&to.join(MORE_TEMPLATES).join(name), template.as_bytes())?;
                    }
                }
                Ok(())
            }
            Beside::Made {
                tokenizer_config, ..
            } => {
                write_atomic(
                    &to.join("tokenizer.json"),
                    text.tokenizer_json()?.as_bytes(),
                )?;
                put(to, "tokenizer_config.json", tokenizer_config)
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    let mut file = crate::files::open(from)?;
    mlx_runtime::io::write_atomic(to, |out| {
        std::io::copy(&mut file, out)?;
        Ok(())
    })
    .map_err(|e| anyhow!(e))
    .with_context(failed)
}
