//! Writes text, token after token.
//!
//! Tests: `tests/streaming.rs`, `tests/generating.rs`.

use std::time::Instant;

use anyhow::{ensure, Context as _, Result};
use mlx_models::CausalLm;
use mlx_runtime::nn::KvCache;
use mlx_runtime::{memory, ops, transforms, Array, Dtype};
use serde_json::{json, Map, Value};

use crate::finite::not_finite;
use crate::random::Shuffle;
use crate::sample::Sampling;
use crate::text::{Stream, Text};

/// The first tokens that a cache of limited size keeps, as mlx-lm's does.
const KEPT: i32 = 4;

/// Generated tokens, with the time that they took.
pub struct Generated {
    /// The tokens, without the one that ended the answer.
    pub tokens: Vec<u32>,
    /// True if the model, or a stop text, ended the answer.
    pub ended: bool,
    /// Seconds until the first token.
    pub prompt_seconds: f64,
    /// Tokens that were drawn after the first, the one that ended the answer among them.
    pub later: usize,
    /// Seconds for those.
    pub answer_seconds: f64,
}

/// How an answer is written.
#[derive(Clone, Debug)]
pub struct Writing {
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Seed of the draw.
    pub seed: u64,
    /// Most tokens to write.
    pub most: usize,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
}

impl Writing {
    /// The likeliest token each time, at most `most` of them.
    pub fn greedy(most: usize) -> Writing {
        Writing {
            sampling: Sampling::GREEDY,
            seed: 0,
            most,
            stop: Vec::new(),
        }
    }
}

/// A text that grows, with the keys and values of its tokens, so that what was read is not read again.
pub struct Reader<'m, M> {
    model: &'m M,
    cache: KvCache,
    /// The tokens in the cache.
    tokens: Vec<u32>,
    max_kv_size: Option<i32>,
    /// Tokens that are read at a time.
    step: usize,
}

impl<'m, M: CausalLm> Reader<'m, M> {
    /// An empty text; the cache keeps `max_kv_size` tokens, and `step` tokens are read at a time.
    pub fn new(model: &'m M, max_kv_size: Option<i32>, step: usize) -> Result<Self> {
        Ok(Reader {
            model,
            cache: empty(max_kv_size)?,
            tokens: Vec::new(),
            max_kv_size,
            step: step.max(1),
        })
    }

    /// Reads what `text` has after the tokens that are in the cache already; if it begins otherwise, from where it
    /// differs. The last token stays for the next step.
    fn read<'t>(&mut self, text: &'t [u32]) -> Result<&'t u32> {
        let (last, text) = text
            .split_last()
            .context("expected a prompt, found an empty one")?;
        let same = self
            .tokens
            .iter()
            .zip(text)
            .take_while(|(a, b)| a == b)
            .count();
        if same < self.tokens.len() && !self.cache.truncate(i32::try_from(same)?)? {
            self.cache = empty(self.max_kv_size)?;
            self.tokens.clear();
        }
        self.tokens.truncate(same);
        for part in text[self.tokens.len()..].chunks(self.step) {
            self.push(part)?;
            transforms::eval(&self.cache.arrays())?;
            memory::clear_cache()?;
        }
        Ok(last)
    }

    /// Adds tokens and returns the logits of the token after the last.
    fn push(&mut self, part: &[u32]) -> Result<Array> {
        self.tokens.extend(part);
        let mut new = part;
        if self.cache.outgrown_by(i32::try_from(part.len())?) {
            // The keys in the cache are rotated like those of shorter texts.
            self.cache = empty(self.max_kv_size)?;
            new = &self.tokens;
        }
        let logits = self.model.logits(&ids(new)?, &mut self.cache)?;
        let last = i32::try_from(new.len())? - 1;
        Ok(ops::take(&logits, &Array::scalar(last)?, 1)?)
    }

    /// Continues `prompt` until the model ends its answer, or `each`, which gets every token as it comes, returns false.
    pub fn write(
        &mut self,
        text: &Text,
        prompt: &[u32],
        how: &Writing,
        mut each: impl FnMut(u32) -> Result<bool>,
    ) -> Result<Generated> {
        let mut random = Shuffle::new(how.seed);
        let start = Instant::now();
        let mut next = *self.read(prompt)?;
        let mut tokens = Vec::new();
        let (mut first, mut drawn, mut ended) = (None, 0usize, false);
        while tokens.len() < how.most && !ended {
            let logits = self.push(&[next])?;
            next = choose(&logits, &how.sampling, &self.tokens, random.uniform())?;
            first.get_or_insert_with(Instant::now);
            drawn += 1;
            ended = text.is_stop(next);
            if !ended {
                tokens.push(next);
                ended = !each(next)?;
            }
        }
        let first = first.unwrap_or(start);
        Ok(Generated {
            tokens,
            ended,
            prompt_seconds: (first - start).as_secs_f64(),
            later: drawn.saturating_sub(1),
            answer_seconds: first.elapsed().as_secs_f64(),
        })
    }

    /// As [`Reader::write`]; hands every piece of text to `print` as soon as it is certain, and ends at a stop text.
    pub fn stream(
        &mut self,
        text: &Text,
        prompt: &[u32],
        how: &Writing,
        mut print: impl FnMut(&str) -> Result<()>,
    ) -> Result<Generated> {
        let mut stream = Stream::new(text);
        let mut stops = Stops::new(&how.stop);
        let out = self.write(text, prompt, how, |token| {
            let (piece, on) = stops.push(&stream.push(token)?);
            print(&piece)?;
            Ok(on)
        })?;
        if !stops.met {
            let (piece, _) = stops.push(&stream.finish()?);
            print(&piece)?;
            print(&stops.finish())?;
        }
        Ok(out)
    }
}

/// Looks for texts that end an answer, and holds back what may become one.
struct Stops<'s> {
    all: &'s [String],
    held: String,
    met: bool,
}

impl<'s> Stops<'s> {
    fn new(all: &'s [String]) -> Self {
        Stops {
            all,
            held: String::new(),
            met: false,
        }
    }

    /// The text that is certain with `piece`, and false if it ends there.
    fn push(&mut self, piece: &str) -> (String, bool) {
        if self.met {
            return (String::new(), false);
        }
        self.held += piece;
        if let Some(at) = self
            .all
            .iter()
            .filter_map(|s| self.held.find(s.as_str()))
            .min()
        {
            self.met = true;
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), false);
        }
        let begins = |at: &usize| self.all.iter().any(|s| s.starts_with(&self.held[*at..]));
        let ends = self.held.char_indices().map(|(at, _)| at).find(begins);
        let rest = self.held.split_off(ends.unwrap_or(self.held.len()));
        (std::mem::replace(&mut self.held, rest), true)
    }

    fn finish(self) -> String {
        self.held
    }
}

fn empty(max_kv_size: Option<i32>) -> Result<KvCache> {
    Ok(match max_kv_size {
        None => KvCache::new(),
        Some(size) => KvCache::with_limit(size, KEPT)?,
    })
}

/// Tokens of a prompt that are read at a time.
pub const PREFILL_STEP: usize = 2048;

/// Continues `prompt` until the model ends its answer, or for `most` tokens, with the likeliest token each time.
pub fn generate(
    model: &impl CausalLm,
    text: &Text,
    prompt: &[u32],
    most: usize,
) -> Result<Generated> {
    let mut reader = Reader::new(model, None, PREFILL_STEP)?;
    reader.write(text, prompt, &Writing::greedy(most), |_| Ok(true))
}

/// The answer to `prompt` as text; the likeliest token each time.
pub fn answer(model: &impl CausalLm, text: &Text, prompt: &[u32], most: usize) -> Result<String> {
    text.decode(&generate(model, text, prompt, most)?.tokens)
}

/// The next token. Logits that are NaN, or infinite at their largest, are an error of kind `NotFinite`.
fn choose(logits: &Array, sampling: &Sampling, before: &[u32], uniform: f64) -> Result<u32> {
    let logits = ops::flatten(&ops::astype(logits, Dtype::Float32)?, 0, -1)?;
    let broken = || not_finite("the model's logits are not finite");
    if sampling.is_plain() {
        let best = ops::argmax(&logits, 0, false)?;
        let top = ops::take(&logits, &best, 0)?;
        let nan = ops::any(&ops::isnan(&logits)?, &[], false)?;
        transforms::eval(&[&best, &top, &nan])?;
        ensure!(
            !nan.item::<bool>()? && top.item::<f32>()?.is_finite(),
            broken()
        );
        return Ok(best.item::<u32>()?);
    }
    let mut logits = logits.to_vec::<f32>()?;
    sampling.penalise(&mut logits, before);
    sampling.choose(&logits, uniform).ok_or_else(broken)
}

/// One row of ids: `[1, L]`.
pub fn ids(tokens: &[u32]) -> Result<Array> {
    let tokens: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
    let len = i32::try_from(tokens.len())?;
    Ok(Array::from_slice(&tokens, &[1, len])?)
}

/// The prompt of a `generate` command as ids. `more` are names for the chat template.
pub fn prompt_ids(
    text: &Text,
    prompt: &str,
    system: Option<&str>,
    plain: bool,
    more: &Map<String, Value>,
) -> Result<Vec<u32>> {
    let ids = if plain || !text.has_template() {
        for (given, flag) in [
            (system.is_some(), "--system-prompt"),
            (!more.is_empty(), "--chat-template-config"),
        ] {
            ensure!(
                !given,
                "{flag} needs a chat template; the model has none, or --ignore-chat-template is given"
            );
        }
        text.encode(prompt, true)?
    } else {
        let mut messages = Vec::new();
        messages.extend(system.map(|s| json!({"role": "system", "content": s})));
        messages.push(json!({"role": "user", "content": prompt}));
        text.chat_with(&messages, None, true, more)?
    };
    ensure!(!ids.is_empty(), "expected a prompt, found an empty one");
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_text_ends_the_answer_wherever_its_pieces_lie() {
        let stops = ["###".to_owned(), "END".to_owned()];
        for (pieces, wanted, on) in [
            (vec!["a #", "# b", "##", "# c"], "a ## b", false),
            (vec!["one EN", "ough #"], "one ENough #", true),
            (vec!["xEND", "y"], "x", false),
            (vec!["é#", "é##", "#"], "é#é", false),
            (vec![], "", true),
        ] {
            let mut found = Stops::new(&stops);
            let mut text = String::new();
            let mut going = true;
            for piece in pieces {
                let (piece, more) = found.push(piece);
                text += &piece;
                going = more;
            }
            if going {
                text += &found.finish();
            }
            assert_eq!((text.as_str(), going), (wanted, on));
        }
    }
}
