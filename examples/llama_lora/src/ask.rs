//! Exact match: tests if a model would write the answer of a row by itself.
//!
//! Tests: `tests/exact_match.rs`.

use anyhow::{Context, Result};
use mlx_models::CausalLm;
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Dtype};

use crate::data::{Example, Row};
use crate::generate::{generate, ids};
use crate::text::Text;

/// Tokens that an answer may have more than the expected one, if both are the same text.
const SURPLUS: usize = 16;

/// The question that a row puts to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: the row does not end with an answer.
    Nothing,
    /// The prompt is the beginning of the row, so the model's outputs for the row show the text it would write.
    AsWritten,
    /// The prompt that `generate` would use begins otherwise than the row.
    Apart {
        /// The tokens of the prompt.
        prompt: Vec<u32>,
        /// The tokens of the answer after it, including the one that ends it.
        answer: Vec<u32>,
    },
}

impl Asked {
    /// The question of each row; `examples` are the lines that `rows` were made of.
    pub fn of(examples: &[Example], rows: &[Row], text: &Text) -> Result<Vec<Asked>> {
        examples
            .iter()
            .zip(rows)
            .map(|(example, row)| {
                Ok(match example.question(text)? {
                    None => Asked::Nothing,
                    Some((prompt, _)) if row.tokens.starts_with(&prompt) => Asked::AsWritten,
                    Some((prompt, words)) => {
                        let answer = answer_apart(row, &prompt, &words, text)?;
                        let answer = up_to_stop(&answer, text).to_vec();
                        Asked::Apart { prompt, answer }
                    }
                })
            })
            .collect()
    }

    /// True if greedy decoding writes the row's answer and ends; `predicted` are the likeliest tokens after each token
    /// of the row. `None` if nothing is asked, or the answer has no end.
    pub fn is_exact(
        &self,
        model: &impl CausalLm,
        text: &Text,
        row: &Row,
        predicted: &[u32],
    ) -> Result<Option<bool>> {
        match self {
            Asked::Nothing => Ok(None),
            Asked::AsWritten => {
                let answer = row.answer().map(|answer| up_to_stop(answer, text));
                let Some(answer) = answer.filter(|a| ends(a, text)) else {
                    return Ok(None);
                };
                let from = row.prompt - 1;
                let Some(predicted) = predicted.get(from..from + answer.len()) else {
                    return Ok(None);
                };
                let prompt = &row.tokens[..row.prompt];
                writes(model, text, prompt, answer, predicted).map(Some)
            }
            Asked::Apart { prompt, answer } => {
                if !ends(answer, text) {
                    return Ok(None);
                }
                if prompt.len() + answer.len() > text.places() {
                    // There is no place for these tokens; others may make the same text.
                    let expected = text.decode(&answer[..answer.len() - 1])?;
                    return decodes(model, text, prompt, &expected, answer.len()).map(Some);
                }
                let tokens = [prompt.as_slice(), &answer[..answer.len() - 1]].concat();
                let logits = model.logits(&ids(&tokens)?, &mut KvCache::off())?;
                let best = ops::argmax(&ops::astype(&logits, Dtype::Float32)?, -1, false)?;
                let best = best.to_vec::<u32>()?;
                let from = prompt
                    .len()
                    .checked_sub(1)
                    .context("expected a prompt, found an empty one")?;
                writes(model, text, prompt, answer, &best[from..]).map(Some)
            }
        }
    }
}

/// The answer of a row that does not begin with `prompt`; `words` is the assistant's text in it.
fn answer_apart(row: &Row, prompt: &[u32], words: &str, text: &Text) -> Result<Vec<u32>> {
    let (whole, asked) = (text.spelled(&row.tokens)?, text.spelled(prompt)?);
    if let Some(rest) = whole.strip_prefix(&asked) {
        // Tokens reach over the end of the prompt, so the rest of the answer is encoded from the text.
        return text.encode(rest, false);
    }
    let behind = &row.tokens[row.prompt.min(row.tokens.len())..];
    let words = words.trim();
    if text.spelled(up_to_stop(behind, text))?.contains(words) {
        return Ok(behind.to_vec());
    }
    // The texts part already before the answer's turn.
    match whole.rfind(words) {
        Some(at) => text.encode(&whole[at..], false),
        None => Ok(Vec::new()),
    }
}

/// The tokens up to the one that ends an answer, if there is one.
fn up_to_stop<'t>(tokens: &'t [u32], text: &Text) -> &'t [u32] {
    let end = tokens.iter().position(|&t| text.is_stop(t));
    &tokens[..end.map_or(tokens.len(), |e| e + 1)]
}

/// True if the last token ends an answer.
fn ends(tokens: &[u32], text: &Text) -> bool {
    tokens.last().is_some_and(|&t| text.is_stop(t))
}

/// Returns true if the model, given `prompt`, writes the text of `answer` and ends.
///
/// By induction over its tokens, it writes exactly these if and only if the likeliest token at every place,
/// `predicted`, is the true one. Another token may still begin the same text; only then the model has to generate.
fn writes(
    model: &impl CausalLm,
    text: &Text,
    prompt: &[u32],
    answer: &[u32],
    predicted: &[u32],
) -> Result<bool> {
    let mut pairs = answer.iter().zip(predicted);
    let Some(same) = pairs.position(|(a, p)| a != p) else {
        return Ok(true);
    };
    let expected = text.decode(&answer[..answer.len() - 1])?;
    let written = [&answer[..same], &predicted[same..=same]].concat();
    if text.is_stop(predicted[same]) {
        return Ok(text.decode(&answer[..same])? == expected);
    }
    let begun = text.decode(&written)?;
    if !expected.starts_with(begun.trim_end_matches('\u{fffd}')) {
        return Ok(false);
    }
    decodes(model, text, prompt, &expected, answer.len())
}

/// True if greedy decoding of `prompt` writes `expected`, which has `tokens` tokens with its end, and ends.
fn decodes(
    model: &impl CausalLm,
    text: &Text,
    prompt: &[u32],
    expected: &str,
    tokens: usize,
) -> Result<bool> {
    // As for `generate`, there are no tokens past the last place.
    let most = (tokens + SURPLUS).min(text.places().saturating_sub(prompt.len()));
    if most == 0 {
        return Ok(false);
    }
    let out = generate(model, text, prompt, most)?;
    Ok(out.tokens.len() < most && text.decode(&out.tokens)? == expected)
}
