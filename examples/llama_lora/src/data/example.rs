//! Parses one line of a JSONL file, in one of mlx-lm's three formats, or a pair of answers.
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
    /// `{"prompt": ..., "chosen": ..., "rejected": ...}`, texts or messages; the prompt may stand in both answers instead
    Preference,
}

impl Format {
    /// The columns that are read.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Format::Completions => &["prompt", "completion"],
            Format::Chat => &["messages"],
            Format::Text => &["text"],
            Format::Preference => &["prompt", "chosen", "rejected"],
        }
    }

    /// The format that a line has; `pairs` of answers are wanted, or single ones.
    pub fn of(line: &Map<String, Value>, pairs: bool) -> Result<Format> {
        let has = |key: &str| line.get(key).is_some_and(|v| !v.is_null());
        let pair = has("chosen") && has("rejected");
        for (key, other) in [("chosen", "rejected"), ("rejected", "chosen")] {
            ensure!(
                !pairs || !has(key) || has(other),
                "found {key:?} without {other:?}: a preference loss compares two answers"
            );
        }
        Ok(match pairs {
            true if pair => Format::Preference,
            false if line.contains_key("prompt") && line.contains_key("completion") => {
                Format::Completions
            }
            false if line.contains_key("messages") => Format::Chat,
            false if line.contains_key("text") => Format::Text,
            false if pair => bail!(
                "found pairs of \"chosen\" and \"rejected\": learn from them with --loss dpo, orpo or simpo"
            ),
            true => bail!(
                "expected {{\"prompt\", \"chosen\", \"rejected\"}} because of --loss, found the keys {:?}",
                line.keys().collect::<Vec<_>>()
            ),
            false => bail!(
                "expected {{\"prompt\", \"completion\"}}, {{\"messages\"}} or {{\"text\"}}, found the keys {:?}",
                line.keys().collect::<Vec<_>>()
            ),
        })
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
    /// The same question with two answers, of which people prefer one.
    Pair {
        /// The better one.
        chosen: Box<Example>,
        /// The other.
        rejected: Box<Example>,
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
            Format::Preference => return Example::pair(line, tools),
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

    /// Reads a pair. TRL has the prompt as text or as messages, or at the beginning of both answers; mlx-lm-lora has a
    /// `system` text besides.
    fn pair(line: &Map<String, Value>, tools: Option<Value>) -> Result<Example> {
        let keys = line.len();
        let messages = |key: &str, role: &str| -> Result<Vec<Value>> {
            let value = line.get(key).unwrap_or(&Value::Null);
            let list = match value {
                Value::String(text) => vec![json!({"role": role, "content": text})],
                Value::Array(list) => list.clone(),
                _ => bail!("{key:?} is {}, expected a string or messages", shown(value)),
            };
            let whole = |m: &Value| m["role"].is_string();
            ensure!(
                list.iter().all(whole),
                "{key:?} has a message without \"role\""
            );
            let content = list.last().map(|m| &m["content"]);
            let empty = match content {
                None => true,
                Some(text) => text.as_str().is_some_and(str::is_empty),
            };
            ensure!(
                !empty,
                "{key:?} is empty, so that there is nothing to compare"
            );
            Ok(list)
        };
        let mut before = Vec::new();
        if let Some(system) = line.get("system").filter(|s| !s.is_null()) {
            let text = system.as_str();
            let text = text
                .with_context(|| format!("\"system\" is {}, expected a string", shown(system)))?;
            before.push(json!({"role": "system", "content": text}));
        }
        let prompt = line.get("prompt").is_some_and(|p| !p.is_null());
        if prompt {
            before.extend(messages("prompt", "user")?);
        }
        let answers = [
            messages("chosen", "assistant")?,
            messages("rejected", "assistant")?,
        ];
        // Some data sets repeat the prompt in front of each answer.
        let common = answers[0]
            .iter()
            .zip(&answers[1])
            .take_while(|(a, b)| a == b)
            .count();
        let repeated = prompt
            && answers
                .iter()
                .all(|a| a.len() > before.len() && a.starts_with(&before));
        let [chosen, rejected] = answers.map(|answer| {
            let messages = match repeated || !prompt {
                true => answer,
                false => before.iter().cloned().chain(answer).collect(),
            };
            Box::new(Example::Chat {
                messages,
                tools: tools.clone(),
                keys,
            })
        });
        ensure!(
            prompt || common > 0,
            "expected a \"prompt\", or the same messages at the beginning of \"chosen\" and \"rejected\""
        );
        Ok(Example::Pair { chosen, rejected })
    }

    /// The ids of the whole line, and the number of them that are the prompt.
    pub fn tokens(&self, text: &Text) -> Result<Row> {
        let (tokens, prompt, keys) = match self {
            Example::Pair { chosen, rejected } => {
                let mut row = chosen.tokens(text)?;
                row.rejected = Some(Box::new(rejected.tokens(text)?));
                return Ok(row);
            }
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
            rejected: None,
            reference: None,
        })
    }

    /// The prompt as ids, ready for the model to answer, and the answer that is expected.
    pub fn question(&self, text: &Text) -> Result<Option<(Vec<u32>, String)>> {
        let (messages, tools) = match self {
            Example::Chat {
                messages, tools, ..
            } => (messages, tools),
            Example::Pair { chosen, .. } => return chosen.question(text),
            Example::Text { .. } => return Ok(None),
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
            Example::Pair { chosen, .. } => chosen.shown(),
            Example::Chat { messages, .. } => messages
                .iter()
                .rev()
                .find(|m| m["role"] == "user")
                .and_then(|m| m["content"].as_str())
                .unwrap_or_default(),
        }
    }
}
