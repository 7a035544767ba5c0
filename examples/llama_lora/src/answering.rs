//! The command `generate`, and the flags that it shares with `chat`.
//!
//! Tests: `tests/generating.rs`.

use std::hash::{BuildHasher, RandomState};

use anyhow::{ensure, Context, Result};
use mlx_models::{CausalLm, Family, Visitor};
use serde_json::{Map, Value};

use crate::cli::{GenerateArgs, WritingArgs};
use crate::data::Format;
use crate::files::{text_of, TEXT_LIMIT};
use crate::generate::{prompt_ids, Generated, Reader, Writing};
use crate::output::{self, note};
use crate::sample::Sampling;
use crate::session::{Opened, Session};
use crate::settings::bounds;

impl WritingArgs {
    /// How an answer is written.
    ///
    /// # Errors
    /// If a number is out of range, or a stop text is empty.
    pub fn writing(&self) -> Result<Writing> {
        bounds::flag("temp", self.temp)?;
        bounds::flag("top_p", self.top_p)?;
        bounds::flag("min_p", self.min_p)?;
        bounds::flag("min_tokens_to_keep", self.min_tokens_to_keep)?;
        bounds::flag("top_k", self.top_k)?;
        bounds::flag("repetition_penalty", self.repetition_penalty)?;
        bounds::flag("repetition_context_size", self.repetition_context_size)?;
        bounds::flag("max_tokens", self.max_tokens)?;
        bounds::flag("prefill_step_size", self.prefill_step_size)?;
        if let Some(size) = self.max_kv_size {
            bounds::flag("max_kv_size", size)?;
        }
        if self.trust_remote_code {
            note(
                "--trust-remote-code has no effect, because no code of a model's folder ever runs",
            );
        }
        ensure!(
            self.stop.iter().all(|s| !s.is_empty()),
            "expected a text for --stop, found an empty one"
        );
        Ok(Writing {
            sampling: Sampling {
                temperature: self.temp,
                top_p: self.top_p,
                min_p: self.min_p,
                min_tokens_to_keep: self.min_tokens_to_keep,
                top_k: self.top_k,
                repetition_penalty: self.repetition_penalty,
                repetition_context_size: self.repetition_context_size,
            },
            // The standard library's hash tables have a random key.
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(0)),
            most: self.max_tokens,
            stop: self.stop.clone(),
        })
    }

    /// Names for the chat template.
    pub fn template_names(&self) -> Result<Map<String, Value>> {
        let Some(text) = &self.chat_template_config else {
            return Ok(Map::new());
        };
        let names: Value = serde_json::from_str(text).with_context(|| {
            format!("--chat-template-config is {text:?}, expected a JSON object such as {{\"enable_thinking\": false}}")
        })?;
        match names {
            Value::Object(names) => {
                ensure!(
                    !names.contains_key("messages"),
                    "--chat-template-config sets messages, expected other names: the prompt is the message"
                );
                Ok(names)
            }
            other => anyhow::bail!(
                "--chat-template-config is {other}, expected a JSON object such as {{\"enable_thinking\": false}}"
            ),
        }
    }

    /// Prints the seed of a draw that could not be repeated otherwise.
    pub fn say_seed(&self, how: &Writing) {
        if self.seed.is_none() && how.sampling.temperature > 0.0 {
            note(format_args!("--seed {}", how.seed));
        }
    }
}

/// Runs `generate`.
pub fn generate(args: &GenerateArgs) -> Result<()> {
    let writing = args.writing.writing()?;
    let names = args.writing.template_names()?;
    let _runtime = args.runtime.set_up()?;
    let prompt = match args.prompt.as_str() {
        "-" => text_of(std::io::stdin().lock(), TEXT_LIMIT)
            .context("cannot read the prompt from stdin")?,
        text => text.to_owned(),
    };
    let opened = Opened::of(&args.used)?;
    let generate = Generate {
        opened,
        args,
        prompt,
        writing,
        names,
    };
    mlx_models::dispatch(generate.opened.family(), generate)
}

struct Generate<'a> {
    opened: Opened,
    args: &'a GenerateArgs,
    prompt: String,
    writing: Writing,
    names: Map<String, Value>,
}

impl Visitor for Generate<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let learnt_text = self.opened.run().and_then(|r| r.data_format) == Some(Format::Text);
        let session = self.opened.load::<M>()?;
        let (args, prompt, mut how) = (self.args, self.prompt, self.writing);
        let system = args.system_prompt.as_deref();
        let plain = args
            .ignore_chat_template
            .unwrap_or(learnt_text && system.is_none());
        if plain && args.ignore_chat_template.is_none() && session.text.has_template() {
            note("as in the adapter's run: --ignore-chat-template, because it learnt {\"text\"} rows");
        }
        let ids = prompt_ids(&session.text, &prompt, system, plain, &self.names)?;
        args.writing.say_seed(&how);
        let room = Room::of(&session, ids.len(), &mut how)?;
        let (model, text) = (&session.model, &session.text);
        let mut reader = Reader::new(
            model,
            args.writing.max_kv_size,
            args.writing.prefill_step_size,
        )?;
        let done = reader.stream(text, &ids, &how, |piece| output::result(piece));
        output::result("\n")?;
        let done = session.origin.explain(done, model)?;
        room.warn(&done);
        note(format_args!("{}", Times(ids.len(), &done)));
        Ok(())
    }
}

/// The positions of a model that a prompt leaves.
pub struct Room {
    places: usize,
    left: usize,
    /// The model has no positions past these.
    hard: bool,
}

impl Room {
    /// Fits the answer's length to the model.
    ///
    /// # Errors
    /// If the model has a table of positions, and the prompt fills it.
    pub fn of<M>(session: &Session<M>, prompt: usize, how: &mut Writing) -> Result<Room> {
        let places = session.text.places();
        let left = places.saturating_sub(prompt);
        let hard = session.config.family == Family::Gpt2;
        if hard {
            ensure!(
                left > 0,
                "the prompt has {prompt} tokens, expected fewer than {places}, the positions of the model"
            );
            how.most = how.most.min(left);
        } else if left == 0 {
            note(format_args!(
                "warning: the prompt has {prompt} tokens, the model was made for {places}: expect worse text, or give a shorter prompt"
            ));
        }
        Ok(Room { places, left, hard })
    }

    /// Says so if the answer reached the end.
    pub fn warn(&self, done: &Generated) {
        let (written, places) = (done.tokens.len(), self.places);
        if self.hard && written == self.left && !done.ended {
            note(format_args!(
                "stopped after {places} tokens, the positions of the model"
            ));
        } else if self.left > 0 && written > self.left {
            note(format_args!(
                "warning: the text is longer than {places} tokens, which the model was made for: its end may be worse"
            ));
        }
    }
}

/// The times of an answer to a prompt of so many tokens, as text.
pub struct Times<'a>(pub usize, pub &'a Generated);

impl std::fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Times(prompt, done) = self;
        // The time of the first token is the prompt's.
        let rate = match done.later {
            0 => String::new(),
            n => format!(
                " at {:.1} tokens/s",
                n as f64 / done.answer_seconds.max(1e-9)
            ),
        };
        let (seconds, written) = (done.prompt_seconds, done.tokens.len());
        write!(
            f,
            "{prompt} tokens of prompt in {seconds:.2} s; {written} tokens{rate}"
        )
    }
}
