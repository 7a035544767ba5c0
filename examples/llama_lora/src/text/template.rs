//! Renders chat templates as transformers' `apply_chat_template` does.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{Context, Result};
use serde_json::{json, Map, Value};

use super::contain::contained_deep;
use super::jinja::Jinja;

/// The names of special tokens that templates may use.
pub const SPECIAL: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Names under which a message's reasoning is found, the first of them the one that templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A model's chat template.
pub struct Template {
    usual: Jinja,
    /// The one for conversations with tools, if it differs.
    tools: Option<Jinja>,
    special: Vec<(&'static str, Value)>,
}

impl Template {
    /// Reads `source`, and the template for conversations with tools, if there is one. `special` names the special
    /// tokens that the tokenizer has.
    pub fn new(
        source: &str,
        tools: Option<&str>,
        special: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let parse = |source: &str| {
            contained_deep("read the model's chat template", || Jinja::parse(source))
                .context("invalid chat template of the model")
        };
        Ok(Template {
            usual: parse(source)?,
            tools: tools.map(parse).transpose()?,
            special: special
                .into_iter()
                .map(|(name, text)| (name, Value::String(text)))
                .collect(),
        })
    }

    /// The text of a conversation; `answer` opens the assistant's turn at the end.
    pub fn render(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        answer: bool,
    ) -> Result<String> {
        self.render_with(messages, tools, answer, &Map::new())
    }

    /// As [`Template::render`], with more names for the template, such as `enable_thinking`.
    pub fn render_with(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        answer: bool,
        more: &Map<String, Value>,
    ) -> Result<String> {
        let mut names: Vec<(&str, Value)> = self.special.clone();
        names.push(("messages", messages.iter().map(plain).collect()));
        names.push(("tools", tools.cloned().unwrap_or_default()));
        names.push(("documents", Value::Null));
        names.push(("add_generation_prompt", json!(answer)));
        for (name, value) in more {
            names.retain(|(own, _)| own != name);
            names.push((name, value.clone()));
        }
        let template = match (&self.tools, tools) {
            (Some(template), Some(_)) => template,
            _ => &self.usual,
        };
        contained_deep("render the model's chat template", || {
            template.render(&names, messages.len())
        })
        .context("the model's chat template does not accept the conversation")
    }
}

/// The message as transformers hands it on: keys without a value are left out, and reasoning is there under the names
/// that templates read.
fn plain(message: &Value) -> Value {
    let Some(message) = message.as_object() else {
        return message.clone();
    };
    let kept = message.iter().filter(|(_, value)| !value.is_null());
    let mut kept: Map<String, Value> = kept.map(|(k, v)| (k.clone(), v.clone())).collect();
    let reasoning = REASONING.iter().find_map(|name| kept.get(*name)).cloned();
    if let Some(reasoning) = reasoning {
        if !kept.contains_key("thinking") {
            kept.shift_insert(0, "thinking".into(), reasoning.clone());
        }
        kept.insert("reasoning_content".into(), reasoning);
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_has_the_names_that_templates_read() {
        let message = json!({"role": "assistant", "content": null, "reasoning": "so"});
        let found = plain(&message).to_string();
        assert_eq!(
            found,
            r#"{"thinking":"so","role":"assistant","reasoning":"so","reasoning_content":"so"}"#
        );
    }

    #[test]
    fn mistakes_are_errors() {
        let render = |source: &str| Template::new(source, None, vec![])?.render(&[], None, true);
        assert!(render("{% for m in messages %}").is_err());
        let refused = render("a\n{{ raise_exception('roles must alternate') }}").unwrap_err();
        let refused = format!("{refused:#}");
        assert!(
            refused.contains("line 2: roles must alternate"),
            "{refused}"
        );
    }
}
