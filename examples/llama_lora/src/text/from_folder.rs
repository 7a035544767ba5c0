//! The tokenizer of a Hugging Face folder.

use std::path::Path;

use anyhow::{anyhow, bail, Context, Result};
use serde_json::Value;
use tokenizers::Tokenizer;

use super::{Template, Text};
use crate::files::{read_json, read_text, read_text_within, TOKENIZER_LIMIT};

/// Reads `tokenizer.json`, `tokenizer_config.json` and the chat template of `folder`.
pub fn from_folder(folder: &Path) -> Result<Text> {
    let path = folder.join("tokenizer.json");
    let source = read_text_within(&path, TOKENIZER_LIMIT)?;
    let mut tokenizer: Tokenizer = source
        .parse()
        .map_err(|e| anyhow!("{} is not a tokenizer: {e}", path.display()))?;
    // Padding and truncation are the batches' business.
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|e| anyhow!("{}: {e}", path.display()))?;

    let optional = |name: &str| -> Result<Value> {
        let path = folder.join(name);
        if path.exists() {
            read_json(&path)
        } else {
            Ok(Value::Null)
        }
    };
    let config = optional("tokenizer_config.json")?;
    let bos = token_text(&config["bos_token"]);
    let eos = token_text(&config["eos_token"]);

    let mut stops = Vec::new();
    for name in ["config.json", "generation_config.json"] {
        stops.extend(ids(&optional(name)?["eos_token_id"]));
    }
    let eos_id = match &eos {
        Some(text) => tokenizer
            .token_to_id(text)
            .with_context(|| format!("eos_token {text:?} of tokenizer_config.json is not in tokenizer.json"))?,
        None => match stops.first() {
            Some(&id) => id,
            None => bail!(
                "neither tokenizer_config.json nor config.json of {} says which token ends a text (eos_token, eos_token_id)",
                folder.display()
            ),
        },
    };
    let template = chat_template(folder, &config)?
        .map(|source| {
            let eos = eos.or_else(|| tokenizer.id_to_token(eos_id));
            Template::new(source, bos.unwrap_or_default(), eos.unwrap_or_default())
        })
        .transpose()?;
    Ok(Text::new(tokenizer, template, eos_id, stops))
}

/// A token is written as its text, or as an object that holds it.
fn token_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Object(token) => token.get("content")?,
        other => other,
    };
    text.as_str().map(String::from)
}

/// One id or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter()
        .filter_map(|v| u32::try_from(v.as_u64()?).ok())
        .collect()
}

/// A file of its own, or an entry of `tokenizer_config.json`: one template, or several of which one is the default.
fn chat_template(folder: &Path, config: &Value) -> Result<Option<String>> {
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        return read_text(&path).map(Some);
    }
    Ok(match &config["chat_template"] {
        Value::String(source) => Some(source.clone()),
        Value::Array(named) => named
            .iter()
            .find(|t| t["name"] == "default")
            .and_then(|t| t["template"].as_str())
            .map(String::from),
        _ => None,
    })
}
