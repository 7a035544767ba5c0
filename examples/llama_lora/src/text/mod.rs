//! From text to token ids and back.

pub mod bytes;
mod from_folder;
mod from_gguf;
mod stream;
mod template;

use anyhow::{anyhow, Context, Result};
use serde_json::Value;
use tokenizers::Tokenizer;

pub use from_folder::from_folder;
pub use from_gguf::{from_gguf, GgufVocab};
pub use stream::Stream;
pub use template::Template;

/// A model's tokenizer, its chat template if it has one, and the tokens that end an answer.
pub struct Text {
    tokenizer: Tokenizer,
    template: Option<Template>,
    /// The token that ends a text.
    eos: u32,
    /// All tokens that end an answer; `eos` is among them.
    stops: Vec<u32>,
}

impl Text {
    fn new(
        tokenizer: Tokenizer,
        template: Option<Template>,
        eos: u32,
        mut stops: Vec<u32>,
    ) -> Self {
        if !stops.contains(&eos) {
            stops.push(eos);
        }
        Text {
            tokenizer,
            template,
            eos,
            stops,
        }
    }

    /// The token that ends a text.
    pub fn eos(&self) -> u32 {
        self.eos
    }

    /// Whether `token` ends an answer.
    pub fn is_stop(&self, token: u32) -> bool {
        self.stops.contains(&token)
    }

    /// Whether the model comes with a chat template.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// How many ids there are: one more than the largest.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer
            .get_vocab(true)
            .values()
            .max()
            .map_or(0, |&id| id as usize + 1)
    }

    /// Ids of `text`; `special` adds what the tokenizer puts around a text of its own (often a token that begins it).
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, special)
            .map_err(|e| anyhow!("cannot split the text into tokens: {e}"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of `ids`, without the special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer
            .decode(ids, true)
            .map_err(|e| anyhow!("cannot turn tokens into text: {e}"))
    }

    /// Ids of a conversation under the chat template; `answer` opens the assistant's turn at the end.
    pub fn chat(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        answer: bool,
    ) -> Result<Vec<u32>> {
        let template = self
            .template
            .as_ref()
            .context("the model has no chat template")?;
        self.encode(&template.render(messages, tools, answer)?, false)
    }
}
