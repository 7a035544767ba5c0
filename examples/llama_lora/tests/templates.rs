//! Chat templates beside transformers' `apply_chat_template`, as `templates/dump.py` dumped it.

use std::path::Path;

use llama_lora::text::Template;
use serde_json::Value;

fn dump() -> Value {
    serde_json::from_str(include_str!("templates/dump.json")).unwrap()
}

/// The text, or the error.
fn render(source: &str, conversation: &Value, answer: bool) -> Result<String, String> {
    let special = ["<s>", "</s>", "<unk>", "<pad>"].map(String::from);
    let names = ["bos_token", "eos_token", "unk_token", "pad_token"];
    let special = names.into_iter().zip(special).collect();
    let messages = conversation["messages"].as_array().unwrap();
    Template::new(source, None, special)
        .and_then(|t| t.render(messages, conversation.get("tools"), answer))
        .map_err(|e| format!("{e:#}"))
}

/// Compares a case with the dump, in which null stands for an error. Returns a message if they differ.
fn compare(source: &str, conversation: &Value, answer: bool, expected: &Value) -> Option<String> {
    let found = render(source, conversation, answer);
    if found.as_deref().ok() == expected.as_str() {
        return None;
    }
    let expected = expected.as_str().ok_or("an error");
    Some(format!("\n   expected {expected:?}\n   found    {found:?}"))
}

#[test]
fn each_construct_renders_as_in_transformers() {
    let dump = dump();
    let cases = dump["constructs"].as_array().unwrap();
    assert!(cases.len() > 1000);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let source = case[0].as_str().unwrap();
            let conversation = &dump["conversations"][case[1].as_str().unwrap()];
            let differs = compare(source, conversation, true, &case[2])?;
            Some(format!("{source:?}{differs}"))
        })
        .collect();
    let (n, all) = (wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{n} of {all}\n{}", wrong.join("\n"));
}

#[test]
fn each_template_renders_as_in_transformers() {
    let dump = dump();
    let templates = dump["templates"].as_object().unwrap();
    assert!(templates.len() >= 15);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let mut rendered = 0;
    for (name, cases) in templates {
        let source = std::fs::read_to_string(folder.join(name)).unwrap();
        for case in cases.as_array().unwrap() {
            let conversation = &dump["conversations"][case[0].as_str().unwrap()];
            let differs = compare(&source, conversation, case[1].as_bool().unwrap(), &case[2]);
            assert!(differs.is_none(), "{name}, {}{}", case[0], differs.unwrap());
            rendered += usize::from(!case[2].is_null());
        }
    }
    assert!(rendered > 200, "{rendered}");
}

#[test]
fn constructs_that_are_refused_are_errors() {
    let dump = dump();
    for source in dump["refused"].as_array().unwrap() {
        let source = source.as_str().unwrap();
        let found = render(source, &dump["conversations"]["plain"], true);
        assert!(found.is_err(), "{source}: {found:?}");
    }
}
