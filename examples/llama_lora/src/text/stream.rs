//! Decodes text token after token, with the same result as decoding all tokens at once.
//!
//! Tests: `tests/streaming.rs`.

use anyhow::Result;

use super::Text;

/// Turns a sequence of tokens into pieces of text that can be printed at once.
///
/// The text of a token may depend on the tokens before it, and on those after it while a character is incomplete. A
/// piece is handed out once later tokens cannot change it. Decoding starts at a token that was handed out before, so
/// that the work for each token stays constant and no decoder takes them for the beginning of a text.
pub struct Stream<'a> {
    text: &'a Text,
    /// Tokens since one with known text that is not blank.
    tokens: Vec<u32>,
    /// The part of their text that has been handed out.
    printed: String,
}

impl<'a> Stream<'a> {
    /// An empty stream.
    pub fn new(text: &'a Text) -> Self {
        Stream {
            text,
            tokens: Vec::new(),
            printed: String::new(),
        }
    }

    /// Adds a token; the text that is now certain.
    pub fn push(&mut self, token: u32) -> Result<String> {
        self.tokens.push(token);
        // A byte may become part of a character, and a special token is not written. After either, the bytes before may
        // be incomplete.
        if self.text.is_byte(token) || self.text.is_special(token) {
            return Ok(String::new());
        }
        let all = self.text.decode(&self.tokens)?;
        if all.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        let Some(piece) = all.strip_prefix(&self.printed).map(String::from) else {
            return Ok(String::new());
        };
        self.printed = all;
        let alone = self.text.decode(&[token])?;
        if alone.contains(|c: char| !c.is_whitespace()) && !alone.contains('\u{fffd}') {
            self.tokens = vec![token];
            self.printed = alone;
        }
        Ok(piece)
    }

    /// The text that was still held back.
    pub fn finish(self) -> Result<String> {
        let all = self.text.decode(&self.tokens)?;
        let same = all
            .chars()
            .zip(self.printed.chars())
            .take_while(|(a, b)| a == b);
        let same: usize = same.map(|(c, _)| c.len_utf8()).sum();
        Ok(all[same..].to_owned())
    }
}
