//! Reads the tokenizer of a Hugging Face folder.
//!
//! Tests: `tests/untrusted.rs`.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{anyhow, bail, ensure, Context, Result};
use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use super::contain::{contained, contained_deep};
use super::template::SPECIAL;
use super::{Template, Text};
use crate::files::{is_named, read_json, read_text, read_text_within, TOKENIZER_LIMIT};

/// Reads `tokenizer.json`, `tokenizer_config.json` and the chat template of `folder`.
pub fn from_folder(folder: &Path) -> Result<Text> {
    let path = folder.join("tokenizer.json");
    let source = read_text_within(&path, TOKENIZER_LIMIT)?;
    let mut tokenizer = contained_deep(&format!("read {}", path.display()), || {
        let mut tokenizer: Tokenizer = source
            .parse()
            .map_err(|e| anyhow!("invalid tokenizer {}: {e}", path.display()))?;
        // Padding and truncation are the batches' business.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| anyhow!("{}: {e}", path.display()))?;
        Ok(tokenizer)
    })?;

    let optional = |name: &str| -> Result<Value> {
        let path = folder.join(name);
        if is_named(&path) {
            read_json(&path)
        } else {
            Ok(Value::Null)
        }
    };
    let config = optional("tokenizer_config.json")?;
    let map = optional("special_tokens_map.json")?;
    ensure!(
        config["split_special_tokens"] != true,
        "unsupported split_special_tokens of tokenizer_config.json: expected false, found true"
    );
    contained("add the tokens of tokenizer_config.json", || {
        add_missing(&mut tokenizer, &config, &map)
    })?;
    let named = |name: &str| token_text(&config[name]).or_else(|| token_text(&map[name]));
    let eos = named("eos_token");

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
                "eos_token or eos_token_id is missing from tokenizer_config.json and config.json of {}",
                folder.display()
            ),
        },
    };
    let special = SPECIAL.iter().filter_map(|&name| {
        let text = named(name);
        let text = text.or_else(|| {
            tokenizer
                .id_to_token(eos_id)
                .filter(|_| name == "eos_token")
        });
        Some((name, text?))
    });
    let (usual, tools) = chat_templates(folder, &config)?;
    let template = usual
        .map(|source| Template::new(&source, tools.as_deref(), special.collect()))
        .transpose()?;
    Ok(Text::new(tokenizer, template, eos_id, stops))
}

/// Adds tokens that `tokenizer_config.json` and `special_tokens_map.json` name and `tokenizer.json` does not mark, as
/// transformers does: they are found in a text before it is split. One that the vocabulary has keeps its id, and a new
/// one gets an id past the vocabulary.
fn add_missing(tokenizer: &mut Tokenizer, config: &Value, map: &Value) -> Result<()> {
    let known = tokenizer.get_added_tokens_decoder();
    let mut seen: HashSet<String> = known.into_values().map(|t| t.content).collect();
    let listed = config["added_tokens_decoder"].as_object();
    let mut listed: Vec<(u64, &Value)> = listed
        .into_iter()
        .flatten()
        .filter_map(|(id, token)| Some((id.parse().ok()?, token)))
        .collect();
    listed.sort_by_key(|(id, _)| *id);
    let listed = listed.into_iter().map(|(_, token)| added(token, false));
    let named = SPECIAL.iter().map(|&name| {
        Some(&config[name])
            .filter(|t| !t.is_null())
            .unwrap_or(&map[name])
    });
    let more = ["additional_special_tokens", "extra_special_tokens"]
        .into_iter()
        .filter_map(|name| config[name].as_array().or_else(|| map[name].as_array()))
        .flatten();
    let named = named.chain(more).map(|token| added(token, true));
    let missing: Vec<AddedToken> = listed
        .chain(named)
        .flatten()
        .filter(|token| !token.content.is_empty() && seen.insert(token.content.clone()))
        .collect();
    let added = tokenizer.add_tokens(missing);
    added.map_err(|e| anyhow!("cannot add the tokens of tokenizer_config.json: {e}"))?;
    Ok(())
}

/// A token with its settings, or with those of a special one where there is its text alone.
fn added(token: &Value, special: bool) -> Option<AddedToken> {
    let is = |key: &str, otherwise: bool| token[key].as_bool().unwrap_or(otherwise);
    let special = special || is("special", false);
    Some(
        AddedToken::from(token_text(token)?, special)
            .normalized(is("normalized", !special))
            .single_word(is("single_word", false))
            .lstrip(is("lstrip", false))
            .rstrip(is("rstrip", false)),
    )
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

/// The template, and the one for conversations with tools: separate files, or entries of `tokenizer_config.json`.
pub fn chat_templates(folder: &Path, config: &Value) -> Result<(Option<String>, Option<String>)> {
    let file = |name: &str| -> Result<Option<String>> {
        let path = folder.join(name);
        Ok(if is_named(&path) {
            Some(read_text(&path)?)
        } else {
            None
        })
    };
    if let Some(usual) = file("chat_template.jinja")? {
        return Ok((
            Some(usual),
            file("additional_chat_templates/tool_use.jinja")?,
        ));
    }
    Ok(match &config["chat_template"] {
        Value::String(source) => (Some(source.clone()), None),
        Value::Array(named) => {
            let find = |name: &str| {
                let template = named.iter().find(|t| t["name"] == name)?;
                template["template"].as_str().map(String::from)
            };
            let usual = find("default");
            ensure!(
                usual.is_some() || named.is_empty(),
                "expected a chat template named \"default\" among those of tokenizer_config.json, found none"
            );
            (usual, find("tool_use"))
        }
        _ => (None, None),
    })
}
