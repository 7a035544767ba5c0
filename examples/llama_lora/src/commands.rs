//! Runs the commands. Results go to stdout, everything else to stderr.
//!
//! Tests: `tests/runs.rs`.

use anyhow::{ensure, Result};
use mlx_models::{CausalLm, Visitor};

use crate::ask::Asked;
use crate::checkpoint::{self, Checkpoint};
use crate::cli::{BenchArgs, Cli, Command, DigestArgs, EvalArgs, TrainArgs, UsedArgs};
use crate::data::{held_out, BatchOptions, Data, Limit};
use crate::demo;
use crate::eval::{self, Score};
use crate::files::write_atomic;
use crate::output::{self, note, say, Quiet};
use crate::progress::{clock, Counter, Spinner};
use crate::random::Shuffle;
use crate::session::{Opened, Session};
use crate::settings::{bounds, FileSettings, Measured, Settings, DEFAULT_BUCKETS};
use crate::train::{self, Claim, Outcome, Saved, Stop};
use crate::{plot, tensorboard};

/// Runs the command of the command line.
pub fn execute(cli: Cli) -> Result<()> {
    train::ignore_file_size_signal()?;
    match cli.command {
        None => demo::run(),
        Some(Command::Train(args)) => train(&args),
        Some(Command::Lora(args)) => lora(&args),
        Some(Command::Eval(args)) => eval(&args),
        Some(Command::Generate(args)) => crate::answering::generate(&args),
        Some(Command::Chat(args)) => crate::chat::run(&args),
        Some(Command::Fuse(args)) => crate::fuse::run(&args),
        Some(Command::Adapter(args)) => crate::adapter_files::run(&args),
        Some(Command::Bench(args)) => bench(&args),
        Some(Command::Synth(args)) => crate::synth::run(&args),
        Some(Command::Digest(args)) => digest(&args),
        Some(Command::Plot(args)) => plot::run(&args),
        Some(Command::Explain(args)) => crate::explain::run(&args),
    }
}

/// `mlx_lm.lora`: trains, tests, or both.
fn lora(args: &TrainArgs) -> Result<()> {
    let file = args.config.as_deref().map(FileSettings::read).transpose()?;
    let file = file.unwrap_or_default();
    if args.do_train || file.train == Some(true) || args.resume {
        return train(args);
    }
    ensure!(
        args.test || file.test == Some(true),
        "nothing to do: give --train, --test, or both"
    );
    let folder = args.adapter_path.clone().or(file.adapter_path);
    let folder = folder.unwrap_or(Settings::default().adapter_path);
    let most = args.test_batches.or(file.test_batches);
    if most.is_some_and(|n| n != -1) {
        note("--test-batches has no effect, because every row of the test split is measured");
    }
    eval(&EvalArgs {
        used: UsedArgs {
            model: args.model.clone().or(file.model),
            packing: args.packing.clone(),
            // As for mlx-lm, the bare model is measured if there is no adapter.
            adapter_path: folder.exists().then_some(folder),
        },
        data: args.data.clone().or(file.data),
        split: "test".into(),
        batch_size: args.batch_size.or(file.batch_size).unwrap_or(4),
        max_seq_length: args.max_seq_length.or(file.max_seq_length),
        truncate: None,
        mask_prompt: args.mask_prompt.then_some(true).or(file.mask_prompt),
        runtime: args.runtime.clone(),
    })
}

fn train(args: &TrainArgs) -> Result<()> {
    let stop = Stop::on_signals()?;
    let (settings, saved, held) = if args.resume {
        let folder = args
            .adapter_path
            .clone()
            .unwrap_or(Settings::default().adapter_path);
        let held = stop.hold(|| Claim::resumed(&folder))?;
        let saved = Saved::read(&folder)?;
        let mut settings = Settings::resumed(args, saved.progressed.settings.clone())?;
        let (done, asked) = (saved.progressed.iteration, settings.iters);
        ensure!(
            settings.epochs.is_some() || asked >= done,
            "--iters is {asked}, but the run in {} has done {done} steps: expected more than that to go on, as it counts from the beginning",
            folder.display()
        );
        settings.adapter_path = folder;
        (settings, Some(saved), held)
    } else {
        let settings = Settings::resolve(args)?;
        let held = stop.hold(|| Claim::new_run(&settings.adapter_path, args.overwrite))?;
        (settings, None, held)
    };
    let runtime = train::set_up(&settings)?;
    note(runtime.report());
    let checkpoint = checkpoint::open(&settings.model)?;
    let family = checkpoint.config.family;
    let result = mlx_models::dispatch(
        family,
        Train {
            checkpoint,
            settings,
            saved,
            stop: &stop,
        },
    );
    drop(held);
    result
}

struct Train<'a> {
    checkpoint: Checkpoint,
    settings: Settings,
    saved: Option<Saved>,
    stop: &'a Stop,
}

impl Visitor for Train<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let (name, packing) = (&self.settings.model, self.settings.quantize);
        let loading = Spinner::new(&format!("loading {name}"));
        let session = Session::<M>::load(self.checkpoint, name, packing)?;
        drop(loading);
        let prepared = train::prepare(session, self.settings, self.saved)?;
        let settings = prepared.settings.clone();
        let outcome = train::run(prepared, self.stop)?;
        ended(&settings, &outcome, self.stop)?;
        if settings.test && outcome.finished && !self.stop.asked() {
            let (session, data) = (&outcome.session, &settings.data());
            let most = usize::try_from(settings.test_batches).ok();
            let cut = settings.truncate || settings.compat;
            // The adapter is already saved, so a failure to print the score is ignored.
            let _ = report(
                "test",
                &score(session, data, "test", options(&settings), cut, most)?,
            );
        }
        Ok(())
    }
}

/// Reports the end of a run and the next command to type. A run that has saved nothing ends with the signal's exit
/// code.
pub fn ended<M>(settings: &Settings, outcome: &Outcome<M>, stop: &Stop) -> Result<()> {
    let columns = crate::progress::columns().saturating_sub(12).clamp(20, 60);
    let sketch = plot::sketch(&outcome.metrics.train_curve(), columns, 8);
    if !sketch.is_empty() {
        note(sketch.trim_end());
    }
    let folder = settings.adapter_path.display();
    let took = clock(outcome.seconds);
    if outcome.iteration == 0 {
        say("stopped before the first step; nothing was saved");
        return Err(Quiet(stop.code()).into());
    }
    if let Some((at, loss)) = outcome.best {
        let best = settings.adapter_path.join(train::BEST);
        say(format_args!(
            "the lowest valid loss was {loss:.3} after step {at}{}",
            match settings.keep_best {
                true => format!("; that adapter is in {}", best.display()),
                false => String::new(),
            }
        ));
    }
    if outcome.finished {
        let left_out = match outcome.left_out {
            0 => String::new(),
            n => format!(", of which {n} were skipped,"),
        };
        say(format_args!(
            "trained {} steps{left_out} in {took}; the adapter is in {folder}",
            outcome.iteration
        ));
        let mut next = vec![
            format!("llama_lora chat --adapter-path {folder}"),
            format!("llama_lora fuse --adapter-path {folder}"),
        ];
        let reports = settings
            .adapter_path
            .join(tensorboard::FOLDER)
            .display()
            .to_string();
        let project = settings.project_name.as_deref();
        let shown = settings
            .report_to
            .iter()
            .filter_map(|r| r.command(&reports, project));
        next.extend(shown);
        say(format_args!("next:\n  {}", next.join("\n  ")));
    } else {
        say(format_args!(
            "stopped after step {} of {} ({took}) and saved; go on with\n  llama_lora train --resume --adapter-path {folder}",
            outcome.iteration, settings.iters
        ));
    }
    Ok(())
}

fn options(settings: &Settings) -> BatchOptions {
    BatchOptions {
        batch_size: match settings.test_batches {
            -1 => settings.batch_size.max(8),
            // An explicit number of test batches counts batches of the run's size.
            _ => settings.batch_size,
        },
        longest: settings.max_seq_length,
        buckets: settings.length_buckets,
        mask_prompt: settings.mask_prompt,
        compat: false,
        packed: false,
    }
}

/// Measures a split, or its first batches if their number is limited.
pub fn score<M: CausalLm>(
    session: &Session<M>,
    data: &Data,
    split: &str,
    options: BatchOptions,
    cut: bool,
    most: Option<usize>,
) -> Result<Score> {
    let limit = Limit {
        tokens: options.longest,
        cut,
        pairs: false,
    };
    let mut rows = data.require(split, &session.text, limit, options.mask_prompt)?;
    rows.check(&session.text)?;
    rows.keep_rows_with_targets(options.mask_prompt)?;
    let options = BatchOptions {
        // Padding must not reach past the last position that the model has.
        longest: options.longest.min(session.text.places()),
        ..options
    };
    let batches = held_out(&rows.rows, options, most, &mut Shuffle::new(0))?;
    let counter = Counter::new("batches measured", batches.len());
    let (model, text) = (&session.model, &session.text);
    let asked = Asked::of(&rows.examples, &rows.rows, text)?;
    let score = eval::measure(model, text, (&rows.rows, &asked), &batches, |done| {
        counter.set(done)
    })?;
    drop(counter);
    let loss = format!("{split} loss");
    session.origin.check(&loss, score.loss, model)?;
    Ok(score)
}

fn report(split: &str, score: &Score) -> Result<()> {
    let mut text = format!(
        "{split} loss {:.4}, perplexity {:.3}\n",
        score.loss,
        score.perplexity()
    );
    if score.asked > 0 {
        text += &format!(
            "{split} exact match {}/{} = {:.1}%\n",
            score.exact,
            score.asked,
            score.percent()
        );
    }
    if score.endless > 0 {
        text += &format!(
            "{split} exact match leaves out {} answers without an end: cut off, or without a token that ends them\n",
            score.endless
        );
    }
    output::result(text)
}

fn eval(args: &EvalArgs) -> Result<()> {
    let _runtime = args.runtime.set_up()?;
    bounds::flag("batch_size", args.batch_size)?;
    if let Some(longest) = args.max_seq_length {
        bounds::flag("max_seq_length", longest)?;
    }
    let opened = Opened::of(&args.used)?;
    mlx_models::dispatch(opened.family(), Eval { opened, args })
}

struct Eval<'a> {
    opened: Opened,
    args: &'a EvalArgs,
}

impl Visitor for Eval<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let (measured, said) = Measured::of(self.args, self.opened.run())?;
        if !said.is_empty() {
            note(said);
        }
        let (session, args) = (self.opened.load::<M>()?, self.args);
        let options = BatchOptions {
            batch_size: args.batch_size,
            longest: measured.max_seq_length,
            buckets: DEFAULT_BUCKETS,
            mask_prompt: measured.mask_prompt,
            compat: false,
            packed: false,
        };
        let Measured { data, truncate, .. } = &measured;
        let score = score(&session, data, &args.split, options, *truncate, None)?;
        report(&args.split, &score)
    }
}

fn bench(args: &BenchArgs) -> Result<()> {
    let report = crate::bench::run(args)?;
    output::result(match args.json {
        true => serde_json::to_string(&report)? + "\n",
        false => format!("{report}\n"),
    })
}

fn digest(args: &DigestArgs) -> Result<()> {
    let text = checkpoint::digest(checkpoint::open(&args.model)?);
    match &args.out {
        Some(file) => write_atomic(file, text.as_bytes()),
        None => output::result(text),
    }
}
