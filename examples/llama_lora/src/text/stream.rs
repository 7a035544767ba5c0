//! Text as it comes: token after token, but never half a character.

use anyhow::Result;

use super::Text;

/// Turns a sequence of tokens into pieces of text that can be printed at once.
pub struct Stream<'a> {
    text: &'a Text,
    /// Tokens since the last place where text and tokens were known to line up.
    tokens: Vec<u32>,
    /// Bytes of the text of `tokens` that have been handed out.
    printed: usize,
}

impl<'a> Stream<'a> {
    /// An empty stream.
    pub fn new(text: &'a Text) -> Self {
        Stream {
            text,
            tokens: Vec::new(),
            printed: 0,
        }
    }

    /// Adds a token; the text that is now certain.
    pub fn push(&mut self, token: u32) -> Result<String> {
        self.tokens.push(token);
        let all = self.text.decode(&self.tokens)?;
        // A character may be spread over several tokens: wait until it is whole.
        if all.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        let piece = all.get(self.printed..).unwrap_or_default().to_owned();
        if all.ends_with('\n') {
            // Nothing after a line break changes what came before it: forget it, so that the work stays linear.
            self.tokens.clear();
            self.printed = 0;
        } else {
            self.printed = all.len();
        }
        Ok(piece)
    }

    /// What was still held back.
    pub fn finish(self) -> Result<String> {
        let all = self.text.decode(&self.tokens)?;
        Ok(all.get(self.printed..).unwrap_or_default().to_owned())
    }
}
