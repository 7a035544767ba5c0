//! Chat templates beside transformers' `apply_chat_template`, as `templates/dump.py` dumped it.

use llama_lora::text::Template;
use serde_json::Value;

fn dump() -> Value {
    serde_json::from_str(include_str!("templates/dump.json")).unwrap()
}

/// The text, or the error.
fn render(source: &str, conversation: &Value, answer: bool) -> Result<String, String> {
    let template = Template::new(source.into(), "<s>".into(), "</s>".into()).map_err(|e| format!("{e:#}"))?;
    let messages = conversation["messages"].as_array().unwrap();
    template
        .render(messages, conversation.get("tools"), answer)
        .map_err(|e| format!("{e:#}"))
}

#[test]
fn each_construct_renders_as_in_transformers() {
    let dump = dump();
    let mut wrong = Vec::new();
    let cases = dump["constructs"].as_array().unwrap();
    for case in cases {
        let source = case[0].as_str().unwrap();
        let conversation = &dump["conversations"][case[1].as_str().unwrap()];
        let got = render(source, conversation, true);
        if got.as_deref().ok() != case[2].as_str() {
            wrong.push(format!("{source:?}\n   expected {:?}\n   found    {got:?}", case[2].as_str()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
