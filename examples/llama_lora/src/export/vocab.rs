//! The tokenizer as llama.cpp's metadata: byte-level BPE (`gpt2`), or SentencePiece (`llama`).
//!
//! Tests: `tests/export.rs`.

use std::collections::HashMap;

use anyhow::{bail, ensure, Context, Result};
use serde_json::Value as Json;

use super::container::{Header, Value};
use crate::fuse::Merged;
use crate::text::llama_cpp::{is_byte, BYTE, CONTROL, CUTS, NORMAL, UNKNOWN, UNUSED, USER_DEFINED};

/// Writes the tokenizer of `merged`.
pub fn write(header: &mut Header, merged: &Merged) -> Result<()> {
    let json = merged.beside.tokenizer(&merged.text)?;
    let config = merged.beside.tokenizer_config()?;
    let model = &json["model"];
    let kind = model["type"].as_str().unwrap_or("BPE");
    ensure!(
        kind == "BPE" && model["vocab"].is_object(),
        "unsupported tokenizer {kind:?}: expected BPE"
    );
    let sentences = model["byte_fallback"] == true;
    let merges = merges(&model["merges"])?;
    let vocab = Tokens::of(&json, merged.config.vocab_size, sentences)?;
    let texts = |key: &str| format!("tokenizer.ggml.{key}");
    match sentences {
        true => {
            header.set(texts("model"), Value::Text("llama".into()));
            header.set(texts("pre"), Value::Text("default".into()));
            header.set(texts("scores"), Value::F32s(vocab.scores(&merges)));
            header.set(texts("add_space_prefix"), Value::Bool(prefix(&json)));
        }
        false => {
            header.set(texts("model"), Value::Text("gpt2".into()));
            header.set(texts("pre"), Value::Text(cut(&json)?.into()));
            let lines = merges.iter().map(|[a, b]| format!("{a} {b}")).collect();
            header.set(texts("merges"), Value::Texts(lines));
        }
    }
    header.set(texts("token_type"), Value::I32s(vocab.types));
    header.set(texts("tokens"), Value::Texts(vocab.texts));

    let text = &merged.text;
    let named = |name: &str| {
        let token = match &config[name] {
            Json::Object(token) => token.get("content").cloned().unwrap_or_default(),
            other => other.clone(),
        };
        token.as_str().and_then(|t| text.id_of(t))
    };
    let bos = named("bos_token");
    let unknown = model["unk_token"].as_str().and_then(|t| text.id_of(t));
    for (key, id) in [
        ("bos_token_id", bos),
        ("eos_token_id", Some(text.eos())),
        ("unknown_token_id", unknown.or(named("unk_token"))),
        ("padding_token_id", named("pad_token")),
        (
            "eot_token_id",
            text.stops().iter().copied().find(|&id| id != text.eos()),
        ),
    ] {
        if let Some(id) = id {
            header.set(texts(key), Value::U32(id));
        }
    }
    // The tokens that stand around every text show in a text.
    let around = text.encode("a", true)?;
    let begins = bos.is_some() && around.first().copied() == bos;
    header.set(texts("add_bos_token"), Value::Bool(begins));
    let ends = around.len() > 1 && around.last() == Some(&text.eos());
    header.set(texts("add_eos_token"), Value::Bool(ends));
    if let Some(template) = merged.beside.chat_template()? {
        header.set("tokenizer.chat_template", Value::Text(template));
    }
    Ok(())
}

/// The tokens by id.
struct Tokens {
    texts: Vec<String>,
    types: Vec<i32>,
}

impl Tokens {
    /// As many as the model has; ids without a token get one that no text contains.
    fn of(json: &Json, count: usize, sentences: bool) -> Result<Tokens> {
        let mut texts: Vec<Option<String>> = vec![None; count];
        let mut types = vec![UNUSED; count];
        let mut put = |text: &str, id: &Json, kind: i32| -> Result<()> {
            let at = id.as_u64().and_then(|id| usize::try_from(id).ok());
            let at = at.filter(|at| *at < count).with_context(|| {
                format!("the token {text:?} is {id}, expected less than {count}, the vocabulary of the model")
            })?;
            texts[at] = Some(text.to_owned());
            types[at] = kind;
            Ok(())
        };
        let unknown = json["model"]["unk_token"].as_str();
        for (text, id) in json["model"]["vocab"].as_object().into_iter().flatten() {
            let kind = match sentences {
                true if is_byte(text) => BYTE,
                true if Some(text.as_str()) == unknown => UNKNOWN,
                _ => NORMAL,
            };
            put(text, id, kind)?;
        }
        for token in json["added_tokens"].as_array().into_iter().flatten() {
            let text = token["content"].as_str().unwrap_or_default();
            let kind = match (token["special"] == true, sentences && Some(text) == unknown) {
                (_, true) => UNKNOWN,
                (true, _) => CONTROL,
                (false, _) => USER_DEFINED,
            };
            put(text, &token["id"], kind)?;
        }
        let texts = texts
            .into_iter()
            .enumerate()
            .map(|(i, text)| text.unwrap_or_else(|| format!("[PAD{i}]")))
            .collect();
        Ok(Tokens { texts, types })
    }

    /// llama.cpp joins the pair whose result has the highest score; here the first merge that makes a token counts.
    fn scores(&self, merges: &[[&str; 2]]) -> Vec<f32> {
        let mut ranks: HashMap<String, usize> = HashMap::new();
        for (rank, [a, b]) in merges.iter().enumerate() {
            ranks.entry(format!("{a}{b}")).or_insert(rank);
        }
        let score = |text: &String, kind: &i32| match (kind, ranks.get(text)) {
            (&NORMAL, Some(rank)) => -(*rank as f32),
            (&NORMAL, None) => -(merges.len() as f32),
            _ => 0.0,
        };
        self.texts
            .iter()
            .zip(&self.types)
            .map(|(t, k)| score(t, k))
            .collect()
    }
}

fn pair(merge: &Json) -> Option<[&str; 2]> {
    match merge {
        Json::String(text) => text.split_once(' ').map(|(a, b)| [a, b]),
        Json::Array(pair) => match pair.as_slice() {
            [a, b] => Some([a.as_str()?, b.as_str()?]),
            _ => None,
        },
        _ => None,
    }
}

/// Pairs, which older files write as one text.
fn merges(json: &Json) -> Result<Vec<[&str; 2]>> {
    let all = json.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter()
        .map(|merge| pair(merge).with_context(|| format!("invalid merge {merge}: expected a pair")))
        .collect()
}

/// Every part of a pre-tokenizer or a normalizer that is a sequence of them.
fn parts(json: &Json) -> Vec<&Json> {
    let inner = json["pretokenizers"]
        .as_array()
        .or(json["normalizers"].as_array());
    match inner {
        Some(inner) => inner.iter().flat_map(parts).collect(),
        None => vec![json],
    }
}

/// llama.cpp's name of the way in which byte-level BPE cuts a text.
fn cut(json: &Json) -> Result<&'static str> {
    let parts = parts(&json["pre_tokenizer"]);
    let of_type = |name: &str| parts.iter().filter(|p| p["type"] == name).count();
    let regexes: Vec<&str> = parts
        .iter()
        .filter(|p| p["type"] == "Split")
        .filter_map(|p| p["pattern"]["Regex"].as_str())
        .collect();
    let bytes = parts.iter().find(|p| p["type"] == "ByteLevel");
    let bytes = bytes.context("unsupported pre-tokenizer: expected one of byte-level BPE")?;
    let digits = parts
        .iter()
        .any(|p| p["type"] == "Digits" && p["individual_digits"] == true);
    let known = of_type("Split") + of_type("Digits") + of_type("ByteLevel") == parts.len();
    let own_regex = bytes["use_regex"] != false;
    let found = CUTS.iter().find(|(_, expected, alone)| {
        regexes == *expected && digits == *alone && own_regex == expected.is_empty()
    });
    match found {
        Some((name, ..)) if known && bytes["add_prefix_space"] != true => Ok(name),
        _ => bail!(
            "unsupported pre-tokenizer: expected the one of {}",
            CUTS.iter().map(|c| c.0).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// True if SentencePiece puts a space before a text.
fn prefix(json: &Json) -> bool {
    let prepends = |p: &&Json| p["type"] == "Prepend";
    let spaces = |p: &&Json| p["type"] == "Metaspace" && p["prepend_scheme"] != "never";
    parts(&json["normalizer"]).iter().any(prepends)
        || parts(&json["pre_tokenizer"]).iter().any(spaces)
}
