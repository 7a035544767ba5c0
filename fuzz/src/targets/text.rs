//! Vocabularies, chat templates and rows of data.
//!
//! Tests: `tests/short.rs`.

use llama_lora::data::{Limit, Split};
use llama_lora::text::{bytes, from_gguf, GgufVocab, Template};
use serde_json::{json, Value};

/// A GGUF file's vocabulary as JSON; a tokenizer that is built splits a text and joins it again.
pub fn vocabulary(input: &[u8]) {
    let Ok(all) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let texts = |key: &str| -> Vec<String> {
        let list = all[key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(|v| v.as_str().map(String::from))
            .collect()
    };
    let numbers = |key: &str| -> Vec<f64> {
        let list = all[key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|v| v.as_f64().unwrap_or(1.0)).collect()
    };
    let text = |key: &str| all[key].as_str().map(String::from);
    let id = |key: &str| all[key].as_u64().and_then(|n| u32::try_from(n).ok());
    let vocab = GgufVocab {
        model: text("model").unwrap_or_else(|| "gpt2".into()),
        pre: text("pre"),
        tokens: texts("tokens"),
        types: numbers("types").iter().map(|n| *n as i32).collect(),
        merges: texts("merges"),
        scores: numbers("scores").iter().map(|n| *n as f32).collect(),
        bos: id("bos"),
        eos: id("eos"),
        eot: id("eot"),
        unknown: id("unknown"),
        add_bos: all["add_bos"].as_bool(),
        add_eos: all["add_eos"].as_bool(),
        space_prefix: all["add_space_prefix"].as_bool().unwrap_or(true),
        template: text("template"),
    };
    let Ok(text) = from_gguf(vocab) else {
        return;
    };
    let _ = text.vocab_size();
    for sample in ["a cat sat", " \u{e9}\u{1f600}\n\n", "<|end|>", ""] {
        if let Ok(ids) = text.encode(sample, true) {
            let _ = text.decode(&ids);
        }
    }
}

/// A chat template, rendered for three conversations.
pub fn template(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else {
        return;
    };
    let special = vec![("bos_token", "<s>".into()), ("eos_token", "</s>".into())];
    let Ok(template) = Template::new(source, None, special) else {
        return;
    };
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    let tools = json!([{ "type": "function", "function": { "name": "add", "parameters": {} } }]);
    for (messages, tools) in [
        (vec![turn("user", "Hi <b>")], None),
        (
            vec![
                turn("system", "Be kind."),
                turn("user", "Hi"),
                turn("assistant", "Yes"),
            ],
            Some(&tools),
        ),
        (vec![], None),
    ] {
        let _ = template.render(&messages, tools, true);
        let _ = template.render(&messages, tools, false);
    }
}

/// Lines of a data set, by a tokenizer that knows bytes.
pub fn jsonl(input: &[u8]) {
    let content = String::from_utf8_lossy(input);
    let Ok(text) = bytes::text() else {
        return;
    };
    for cut in [false, true] {
        let limit = Limit {
            tokens: 64,
            cut,
            pairs: cut,
        };
        let _ = Split::parse("fuzz.jsonl".into(), &content, &text, limit, cut);
    }
}
