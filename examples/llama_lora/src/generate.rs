//! Writes text, token after token.
//!
//! Tests: `tests/streaming.rs`.

use std::time::Instant;

use anyhow::{ensure, Context, Result};
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, transforms, Array, Dtype};

use crate::finite::not_finite;
use crate::random::Shuffle;
use crate::sample::Sampling;
use crate::text::{Stream, Text};
use mlx_models::CausalLm;

/// Generated tokens, with the time that they took.
pub struct Generated {
    /// The tokens, without the one that ended the answer.
    pub tokens: Vec<u32>,
    /// Seconds until the first token.
    pub prompt_seconds: f64,
    /// Tokens that were drawn after the first, the one that ended the answer among them.
    pub later: usize,
    /// Seconds for those.
    pub answer_seconds: f64,
}

/// Continues `prompt` until the model ends its answer, or for `most` tokens. `each` gets every token as it comes.
pub fn generate(
    model: &impl CausalLm,
    text: &Text,
    prompt: &[u32],
    sampling: Sampling,
    (seed, most): (u64, usize),
    mut each: impl FnMut(u32) -> Result<()>,
) -> Result<Generated> {
    let (&last, earlier) = prompt
        .split_last()
        .context("expected a prompt, found an empty one")?;
    let mut random = Shuffle::new(seed);
    let mut cache = KvCache::new();
    let start = Instant::now();
    if !earlier.is_empty() {
        // Only the cache is evaluated: nothing reads the logits of these tokens.
        model.logits(&ids(earlier)?, &mut cache)?;
        transforms::eval(&cache.arrays())?;
    }
    let mut next = last;
    let mut tokens = Vec::new();
    let mut first = None;
    let mut drawn = 0usize;
    while tokens.len() < most {
        if cache.outgrown_by(1) {
            // Its keys are rotated like those of shorter texts.
            cache = KvCache::new();
            let mut before = [prompt, &tokens].concat();
            before.pop();
            model.logits(&ids(&before)?, &mut cache)?;
        }
        let logits = model.logits(&ids(&[next])?, &mut cache)?;
        next = choose(&logits, sampling, random.uniform())?;
        first.get_or_insert_with(Instant::now);
        drawn += 1;
        if text.is_stop(next) {
            break;
        }
        tokens.push(next);
        each(next)?;
    }
    let first = first.unwrap_or(start);
    Ok(Generated {
        tokens,
        prompt_seconds: (first - start).as_secs_f64(),
        later: drawn.saturating_sub(1),
        answer_seconds: first.elapsed().as_secs_f64(),
    })
}

/// The answer to `prompt` as text; the likeliest token each time.
pub fn answer(model: &impl CausalLm, text: &Text, prompt: &[u32], most: usize) -> Result<String> {
    let out = generate(model, text, prompt, Sampling::GREEDY, (0, most), |_| Ok(()))?;
    text.decode(&out.tokens)
}

/// Generates and hands every piece of text to `print` as soon as it is certain.
pub fn stream(
    model: &impl CausalLm,
    text: &Text,
    prompt: &[u32],
    sampling: Sampling,
    limits: (u64, usize),
    mut print: impl FnMut(&str) -> Result<()>,
) -> Result<Generated> {
    let mut stream = Stream::new(text);
    let out = generate(model, text, prompt, sampling, limits, |token| {
        print(&stream.push(token)?)
    })?;
    print(&stream.finish()?)?;
    Ok(out)
}

/// The next token. Logits that are NaN, or infinite at their largest, are an error of kind `NotFinite`.
fn choose(logits: &Array, sampling: Sampling, uniform: f64) -> Result<u32> {
    let logits = ops::flatten(&ops::astype(logits, Dtype::Float32)?, 0, -1)?;
    let broken = || not_finite("the model's logits are not finite");
    if sampling.temperature == 0.0 {
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
    let logits = logits.to_vec::<f32>()?;
    sampling.choose(&logits, uniform).ok_or_else(broken)
}

/// One row of ids: `[1, L]`.
pub fn ids(tokens: &[u32]) -> Result<Array> {
    let tokens: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
    let len = i32::try_from(tokens.len())?;
    Ok(Array::from_slice(&tokens, &[1, len])?)
}

/// The prompt of a `generate` command as ids.
pub fn prompt_ids(
    text: &Text,
    prompt: &str,
    system: Option<&str>,
    plain: bool,
) -> Result<Vec<u32>> {
    let ids = if plain || !text.has_template() {
        ensure!(
            system.is_none(),
            "--system-prompt needs a chat template; the model has none, or --ignore-chat-template is given"
        );
        text.encode(prompt, true)?
    } else {
        let mut messages = Vec::new();
        messages.extend(system.map(|s| serde_json::json!({"role": "system", "content": s})));
        messages.push(serde_json::json!({"role": "user", "content": prompt}));
        text.chat(&messages, None, true)?
    };
    ensure!(!ids.is_empty(), "expected a prompt, found an empty one");
    Ok(ids)
}
