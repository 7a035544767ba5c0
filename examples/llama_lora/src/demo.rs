//! The demonstration, which runs without arguments: a small real model learns a query language that it has never seen.

use std::time::Instant;

use anyhow::{Context, Result};
use mlx_models::llama::Llama;

use crate::commands::{ended, score};
use crate::data::{BatchOptions, Limit, Split};
use crate::generate::answer;
use crate::output::{note, say};
use crate::progress::clock;
use crate::ranks::Ranks;
use crate::schedule::{Kind, Schedule};
use crate::session::Session;
use crate::settings::{Settings, DEFAULT_DATA};
use crate::train::{self, Claim, Stop};

/// Most tokens of a sample answer; the longest true one has 25.
const ANSWER: usize = 48;

/// Steps of the demonstration: not quite two thirds of a pass over its data.
const STEPS: u64 = 160;

/// The settings of the demonstration, enough to learn the language in four minutes on two cores.
fn settings() -> Settings {
    Settings {
        iters: STEPS,
        batch_size: 4,
        num_layers: -1,
        learning_rate: 1e-3,
        lr_schedule: Some(Schedule {
            name: Kind::CosineDecay,
            arguments: vec![1e-3, STEPS as f64, 5e-5],
            warmup: 0,
            warmup_init: 0.0,
        }),
        mask_prompt: true,
        max_seq_length: 256,
        steps_per_eval: 100,
        val_batches: 5,
        save_every: 100,
        ..Settings::default()
    }
}

/// Fetches the model, measures it, trains it, measures it again.
pub fn run() -> Result<()> {
    let settings = settings();
    let stop = Stop::on_signals()?;
    let _held = stop.hold(|| Claim::new_run(&settings.adapter_path, true))?;
    let runtime = train::set_up(&settings)?;
    note(runtime.report());
    let start = Instant::now();
    let session = Session::<Llama>::open(&settings.model)?;
    say(format_args!(
        "model: {}, loaded in {:.1} s",
        settings.model,
        start.elapsed().as_secs_f64()
    ));

    let limit = Limit {
        tokens: settings.max_seq_length,
        cut: false,
        pairs: false,
    };
    let test = Split::require(DEFAULT_DATA, "test", &session.text, limit, true)?;
    let (sample, prompt, truth) = sample(&test, &session)?;
    say("data:  questions in English, answers in FETCH, a query language invented for this\n");
    say(format_args!("question: {sample}\nexpected: {truth}"));
    let before_text = answer(&session.model, &session.text, &prompt, ANSWER)?;
    say(format_args!("before:   {}\n", one_line(&before_text)));

    let options = BatchOptions {
        batch_size: 10,
        longest: settings.max_seq_length,
        buckets: settings.length_buckets,
        mask_prompt: true,
        compat: false,
        packed: false,
    };
    let before = score(&session, &DEFAULT_DATA.into(), "test", options, false, None)?;
    say(format_args!(
        "before: test loss {:.3}, exact match {:.0}%",
        before.loss,
        before.percent()
    ));

    let prepared = train::prepare(session, settings.clone(), None)?;
    let outcome = train::run(prepared, &stop, &Ranks::alone())?;
    ended(&settings, &outcome, &stop)?;
    if !outcome.finished {
        return Ok(());
    }

    let session = &outcome.session;
    let after = score(session, &DEFAULT_DATA.into(), "test", options, false, None)?;
    say(format_args!(
        "\nbefore: test loss {:.3}, exact match {:.0}%\nafter:  test loss {:.3}, exact match {:.0}%  (training took {})",
        before.loss,
        before.percent(),
        after.loss,
        after.percent(),
        clock(outcome.seconds),
    ));
    say(format_args!(
        "\nquestion: {sample}\nbefore:   {}",
        one_line(&before_text)
    ));
    say(format_args!(
        "after:    {}",
        answer(&session.model, &session.text, &prompt, ANSWER)?
    ));
    let folder = settings.adapter_path.display();
    say(format_args!(
        "\nthe adapter, its metrics and loss.svg are in {folder}; use it with"
    ));
    say(format_args!("  cargo run --release -p llama_lora -- generate --adapter-path {folder} --prompt {sample:?}"));
    Ok(())
}

/// A question of medium difficulty: its text, its ids, its answer.
fn sample(test: &Split, session: &Session<Llama>) -> Result<(String, Vec<u32>, String)> {
    let example = test
        .examples
        .iter()
        .find(|e| e.shown().contains(" and ") && e.shown().contains("whose"))
        .or(test.examples.first())
        .context("the test split is empty")?;
    let (prompt, answer) = example
        .question(&session.text)?
        .context("expected questions in the test split, found none")?;
    Ok((example.shown().to_owned(), prompt, answer))
}

/// An untrained model may write paragraphs.
fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
