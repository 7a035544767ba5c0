//! Turns text into token ids and back.
//!
//! Tests: `tests/streaming.rs`.

pub mod bytes;
mod contain;
mod from_folder;
mod from_gguf;
mod jinja;
pub mod llama_cpp;
mod sentencepiece;
mod stream;
mod template;

use anyhow::{anyhow, bail, ensure, Context, Result};
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use contain::contained;

pub use from_folder::{chat_templates, from_folder};
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
    /// The number of tokens that the model knows, or a larger number if the model does not say.
    known: usize,
    /// The largest number of tokens in a text of the model, or a larger number if the model does not say.
    places: usize,
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
            known: usize::MAX,
            places: usize::MAX,
        }
    }

    /// Sets the number of tokens that the model knows, and the largest number of tokens in a text. Texts with unknown
    /// tokens are refused, because the tokenizer may have more than the model. Longer texts are refused because the
    /// model has learnt nothing past its last position.
    pub fn limit(&mut self, known: usize, places: usize) -> Result<()> {
        ensure!(
            (self.eos as usize) < known,
            "the end token is {}, expected less than {known}, the vocabulary of the model: use a tokenizer and a model that belong together",
            self.shown(self.eos)
        );
        self.known = known;
        self.places = places;
        Ok(())
    }

    /// The largest number of tokens in a text.
    pub fn places(&self) -> usize {
        self.places
    }

    /// A token for messages.
    fn shown(&self, id: u32) -> String {
        match self.tokenizer.id_to_token(id) {
            Some(text) => format!("{id} ({text:?})"),
            None => id.to_string(),
        }
    }

    /// The token that ends a text.
    pub fn eos(&self) -> u32 {
        self.eos
    }

    /// Returns true if `token` ends an answer.
    pub fn is_stop(&self, token: u32) -> bool {
        self.stops.contains(&token)
    }

    /// Returns true if the model comes with a chat template.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// All tokens that end an answer.
    pub fn stops(&self) -> &[u32] {
        &self.stops
    }

    /// The tokenizer as a `tokenizer.json`.
    pub fn tokenizer_json(&self) -> Result<String> {
        let text = self.tokenizer.to_string(true);
        text.map_err(|e| anyhow!("cannot write the tokenizer: {e}"))
    }

    /// The id of a token.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The number of ids: one more than the largest.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer
            .get_vocab(true)
            .values()
            .max()
            .map_or(0, |&id| id as usize + 1)
    }

    /// Ids of `text`. `special` adds the tokens that the tokenizer puts around a whole text (often a token that begins
    /// it).
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = contained("split the text into tokens", || {
            let encoding = self.tokenizer.encode_fast(text, special);
            encoding.map_err(|e| anyhow!("cannot split the text into tokens: {e}"))
        })?;
        let ids = encoding.get_ids();
        // MLX would read past the last row of an embedding.
        if let Some(&id) = ids.iter().find(|id| **id as usize >= self.known) {
            bail!(
                "the text has the token {}, expected less than {}, the vocabulary of the model",
                self.shown(id),
                self.known
            );
        }
        Ok(ids.to_vec())
    }

    /// Text of `ids`, without the special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.written(ids, true)
    }

    /// Text of `ids`, special tokens included.
    pub fn spelled(&self, ids: &[u32]) -> Result<String> {
        self.written(ids, false)
    }

    fn written(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        contained("turn tokens into text", || {
            let text = self.tokenizer.decode(ids, skip_special);
            text.map_err(|e| anyhow!("cannot turn tokens into text: {e}"))
        })
    }

    /// True for a token that stands for one byte, as `<0xE4>` does, of a character that others may complete.
    fn is_byte(&self, id: u32) -> bool {
        let text = self.tokenizer.id_to_token(id).unwrap_or_default();
        llama_cpp::is_byte(&text)
    }

    /// True for a token that decoding leaves out.
    fn is_special(&self, id: u32) -> bool {
        match self.tokenizer.id_to_token(id) {
            Some(text) => self
                .tokenizer
                .get_added_vocabulary()
                .is_special_token(&text),
            None => true,
        }
    }

    /// Ids of a conversation under the chat template; `answer` opens the assistant's turn at the end.
    pub fn chat(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        answer: bool,
    ) -> Result<Vec<u32>> {
        self.chat_with(messages, tools, answer, &Map::new())
    }

    /// As [`Text::chat`], with more names for the template, such as `enable_thinking`.
    pub fn chat_with(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        answer: bool,
        more: &Map<String, Value>,
    ) -> Result<Vec<u32>> {
        let template = self
            .template
            .as_ref()
            .context("the model has no chat template")?;
        self.encode(&template.render_with(messages, tools, answer, more)?, false)
    }
}
