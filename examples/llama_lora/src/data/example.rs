//! Parses one line of a JSONL file, in one of mlx-lm's three formats.
//!
//! Tests: `tests/data_set.rs`.

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use mlx_models::json::shown;

use super::Row;
use crate::text::Text;

/// The format of a file's lines. The first line decides for the whole file, as in mlx-lm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `{"prompt": ..., "completion": ...}`
    Completions,
    /// `{"messages": [{"role": ..., "content": ...}, ...]}`
    Chat,
    /// `{"text": ...}`
    Text,
}

impl Format {
    /// The columns that are read.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Format::Completions => &["prompt", "completion"],
            Format::Chat => &["messages"],
            Format::Text => &["text"],
        }
    }

    /// The format that a line has.
    pub fn of(line: &Map<String, Value>) -> Result<Format> {
        Ok(
            if line.contains_key("prompt") && line.contains_key("completion") {
                Format::Completions
            } else if line.contains_key("messages") {
                Format::Chat
            } else if line.contains_key("text") {
                Format::Text
            } else {
                bail!(
                "expected {{\"prompt\", \"completion\"}}, {{\"messages\"}} or {{\"text\"}}, found the keys {:?}",
                line.keys().collect::<Vec<_>>()
            )
            },
        )
    }
}

/// One line, its parts checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Example {
    /// A conversation; completions become one of two messages.
    Chat {
        /// The messages, first to last.
        messages: Vec<Value>,
        /// Tools offered to the assistant, handed to the chat template.
        tools: Option<Value>,
        /// Keys of the line, which mlx-lm takes for its length.
        keys: usize,
    },
    /// Text to continue, without a prompt.
    Text {
        /// The text.
        text: String,
        /// Keys of the line.
        keys: usize,
    },
}

impl Example {
    /// Reads a line of a file in `format`.
    pub fn read(line: &Map<String, Value>, format: Format) -> Result<Example> {
        let keys = line.len();
        let text = |key: &str| -> Result<String> {
            let value = line
                .get(key)
                .with_context(|| format!("expected the key {key:?}, found none"))?;
            let text = value
                .as_str()
                .with_context(|| format!("{key:?} is {}, expected a string", shown(value)))?;
            Ok(text.to_owned())
        };
        let tools = line.get("tools").filter(|t| !t.is_null()).cloned();
        Ok(match format {
            Format::Text => Example::Text {
                text: text("text")?,
                keys,
            },
            Format::Completions => Example::Chat {
                messages: vec![
                    json!({"role": "user", "content": text("prompt")?}),
                    json!({"role": "assistant", "content": text("completion")?}),
                ],
                tools,
                keys,
            },
            Format::Chat => {
                let list = line
                    .get("messages")
                    .context("expected the key \"messages\", found none")?;
                let list = list.as_array().context("\"messages\" is not a list")?;
                ensure!(!list.is_empty(), "\"messages\" is empty");
                for (i, message) in list.iter().enumerate() {
                    ensure!(
                        message["role"].is_string(),
                        "message {} has no \"role\"",
                        i + 1
                    );
                }
                Example::Chat {
                    messages: list.clone(),
                    tools,
                    keys,
                }
            }
        })
    }

    /// The ids of the whole line, and the number of them that are the prompt.
    pub fn tokens(&self, text: &Text) -> Result<Row> {
        let (tokens, prompt, keys) = match self {
            Example::Text { text: t, keys } => {
                let mut tokens = text.encode(t, true)?;
                if tokens.last() != Some(&text.eos()) {
                    tokens.push(text.eos());
                }
                (tokens, 0, *keys)
            }
            Example::Chat {
                messages,
                tools,
                keys,
            } if text.has_template() => {
                let tokens = text.chat(messages, tools.as_ref(), false)?;
                let (earlier, last) = messages.split_at(messages.len() - 1);
                let prompt = if earlier.is_empty() {
                    0
                } else {
                    // The answer's turn may begin otherwise than the template opens it, for instance without the empty
                    // thoughts of a model that thinks. Only the common beginning of both is the prompt.
                    let answer = last[0]["role"] == "assistant";
                    let prompt = text.chat(earlier, tools.as_ref(), answer)?;
                    let common = prompt.iter().zip(&tokens).take_while(|(a, b)| a == b);
                    common.count()
                };
                (tokens, prompt, *keys)
            }
            Example::Chat { messages, keys, .. } => {
                // A base model without a template: the prompt, then the completion, then the end.
                let (prompt, completion) = match messages.as_slice() {
                    [p, c] if p["role"] == "user" => (p["content"].as_str(), c["content"].as_str()),
                    _ => (None, None),
                };
                let (Some(prompt), Some(completion)) = (prompt, completion) else {
                    bail!("found a conversation, but the model has no chat template: give {{\"prompt\", \"completion\"}} or {{\"text\"}}");
                };
                let mut tokens = text.encode(prompt, true)?;
                let offset = tokens.len();
                tokens.extend(text.encode(completion, false)?);
                tokens.push(text.eos());
                (tokens, offset, *keys)
            }
        };
        Ok(Row {
            tokens,
            prompt,
            keys,
        })
    }

    /// The prompt as ids, ready for the model to answer, and the answer that is expected.
    pub fn question(&self, text: &Text) -> Result<Option<(Vec<u32>, String)>> {
        let Example::Chat {
            messages, tools, ..
        } = self
        else {
            return Ok(None);
        };
        let (last, earlier) = match messages.split_last() {
            Some((last, earlier)) if last["role"] == "assistant" && !earlier.is_empty() => {
                (last, earlier)
            }
            _ => return Ok(None),
        };
        let answer = last["content"].as_str().unwrap_or_default().to_owned();
        let ids = if text.has_template() {
            text.chat(earlier, tools.as_ref(), true)?
        } else {
            text.encode(earlier[0]["content"].as_str().unwrap_or_default(), true)?
        };
        Ok(Some((ids, answer)))
    }

    /// The last thing that the user says, for display.
    pub fn shown(&self) -> &str {
        match self {
            Example::Text { text, .. } => text,
            Example::Chat { messages, .. } => messages
                .iter()
                .rev()
                .find(|m| m["role"] == "user")
                .and_then(|m| m["content"].as_str())
                .unwrap_or_default(),
        }
    }
}
