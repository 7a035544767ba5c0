//! The commands: what is printed where. Results go to stdout, everything else to stderr.

use std::io::{Read, Write};

use anyhow::{Context, Result};
use mlx_models::{CausalLm, Visitor};

use crate::ask::Asked;
use crate::checkpoint::{self, Checkpoint};
use crate::cli::{BenchArgs, Cli, Command, DigestArgs, EvalArgs, GenerateArgs, TrainArgs};
use crate::data::{held_out, BatchOptions, Limit, Split};
use crate::demo;
use crate::eval::{self, Score};
use crate::files::write_atomic;
use crate::generate::{prompt_ids, stream};
use crate::plot;
use crate::progress::{clock, Counter};
use crate::random::Shuffle;
use crate::sample::Sampling;
use crate::session::{Opened, Session};
use crate::settings::{Packing, Settings, DEFAULT_BUCKETS, DEFAULT_DATA};
use crate::train::{self, Outcome, Saved, Stop};

/// Does what the command line says.
pub fn execute(cli: Cli) -> Result<()> {
    match cli.command {
        None => demo::run(),
        Some(Command::Train(args)) => train(&args),
        Some(Command::Eval(args)) => eval(&args),
        Some(Command::Generate(args)) => generate(&args),
        Some(Command::Bench(args)) => bench(&args),
        Some(Command::Synth(args)) => crate::synth::run(&args),
        Some(Command::Digest(args)) => digest(&args),
        Some(Command::Explain(args)) => crate::explain::run(&args),
    }
}

fn train(args: &TrainArgs) -> Result<()> {
    let (settings, saved) = if args.resume {
        let folder = args
            .adapter_path
            .clone()
            .unwrap_or(Settings::default().adapter_path);
        let saved = Saved::read(&folder)?;
        let mut settings = Settings::resumed(args, saved.progressed.settings.clone())?;
        settings.adapter_path = folder;
        (settings, Some(saved))
    } else {
        (Settings::resolve(args)?, None)
    };
    let stop = Stop::on_ctrl_c()?;
    let runtime = train::set_up(&settings)?;
    eprintln!("{}", runtime.report());
    let checkpoint = train::open(&settings)?;
    let family = checkpoint.config.family;
    mlx_models::dispatch(
        family,
        Train {
            checkpoint,
            settings,
            saved,
            stop,
        },
    )
}

struct Train {
    checkpoint: Checkpoint,
    settings: Settings,
    saved: Option<Saved>,
    stop: Stop,
}

impl Visitor for Train {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let (name, packing) = (&self.settings.model, self.settings.quantize);
        let session = Session::<M>::load(self.checkpoint, name, packing)?;
        let prepared = train::prepare(session, self.settings, self.saved)?;
        let settings = prepared.settings.clone();
        let outcome = train::run(prepared, &self.stop)?;
        ended(&settings, &outcome);
        if settings.test && outcome.finished {
            let score = score(
                &outcome.session,
                &settings.data,
                "test",
                options(&settings),
                settings.truncate,
            )?;
            report("test", &score);
        }
        Ok(())
    }
}

/// Says how a run ended and what to type next.
pub fn ended<M>(settings: &Settings, outcome: &Outcome<M>) {
    eprint!("{}", plot::sketch(&outcome.metrics.train_curve(), 60, 8));
    let folder = settings.adapter_path.display();
    let took = clock(outcome.seconds);
    if outcome.iteration == 0 {
        println!("stopped before the first step; nothing was saved");
        return;
    }
    if outcome.finished {
        println!(
            "trained {} steps in {took}; the adapter is in {folder}",
            outcome.iteration
        );
    } else {
        println!(
            "stopped after step {} of {} ({took}) and saved; go on with\n  llama_lora train --resume --adapter-path {folder}",
            outcome.iteration, settings.iters
        );
    }
}

fn options(settings: &Settings) -> BatchOptions {
    BatchOptions {
        batch_size: settings.batch_size.max(8),
        longest: settings.max_seq_length,
        buckets: settings.length_buckets,
        mask_prompt: settings.mask_prompt,
        compat: false,
    }
}

/// Measures a split.
pub fn score<M: CausalLm>(
    session: &Session<M>,
    data: &str,
    split: &str,
    options: BatchOptions,
    cut: bool,
) -> Result<Score> {
    let limit = Limit {
        tokens: options.longest,
        cut,
    };
    let split = Split::require(data, split, &session.text, limit, options.mask_prompt)?;
    let batches = held_out(&split.rows, options, None, &mut Shuffle::new(0))?;
    let counter = Counter::new("batches measured", batches.len());
    let asked = Asked::of(&split.examples, &split.rows, &session.text)?;
    eval::measure(
        &session.model,
        &session.text,
        (&split.rows, &asked),
        &batches,
        |done| counter.set(done),
    )
}

fn report(split: &str, score: &Score) {
    println!(
        "{split} loss {:.4}, perplexity {:.3}",
        score.loss,
        score.perplexity()
    );
    if score.asked > 0 {
        println!(
            "{split} exact match {}/{} = {:.1}%",
            score.exact,
            score.asked,
            score.percent()
        );
    }
}

fn eval(args: &EvalArgs) -> Result<()> {
    let _runtime = args.runtime.set_up()?;
    anyhow::ensure!(args.batch_size > 0, "--batch-size must be at least 1");
    let opened = Opened::new(
        args.model.as_deref(),
        args.adapter_path.as_deref(),
        Packing::of(&args.packing)?,
    )?;
    mlx_models::dispatch(opened.family(), Eval { opened, args })
}

struct Eval<'a> {
    opened: Opened,
    args: &'a EvalArgs,
}

impl Visitor for Eval<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let (session, args) = (self.opened.load::<M>()?, self.args);
        let options = BatchOptions {
            batch_size: args.batch_size,
            longest: args.max_seq_length,
            buckets: DEFAULT_BUCKETS,
            mask_prompt: args.mask_prompt,
            compat: false,
        };
        let data = args.data.as_deref().unwrap_or(DEFAULT_DATA);
        report(
            &args.split,
            &score(&session, data, &args.split, options, args.truncate)?,
        );
        Ok(())
    }
}

fn generate(args: &GenerateArgs) -> Result<()> {
    let sampling = Sampling {
        temperature: args.temp,
        top_p: args.top_p,
    }
    .check()?;
    let _runtime = args.runtime.set_up()?;
    let prompt = match args.prompt.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the prompt from stdin")?;
            text
        }
        text => text.to_owned(),
    };
    let opened = Opened::new(
        args.model.as_deref(),
        args.adapter_path.as_deref(),
        Packing::of(&args.packing)?,
    )?;
    let generate = Generate {
        opened,
        args,
        prompt,
        sampling,
    };
    mlx_models::dispatch(generate.opened.family(), generate)
}

struct Generate<'a> {
    opened: Opened,
    args: &'a GenerateArgs,
    prompt: String,
    sampling: Sampling,
}

impl Visitor for Generate<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let session = self.opened.load::<M>()?;
        let (args, prompt, sampling) = (self.args, self.prompt, self.sampling);
        let system = args.system_prompt.as_deref();
        let ids = prompt_ids(&session.text, &prompt, system, args.ignore_chat_template)?;
        let mut out = std::io::stdout().lock();
        let limits = (args.seed, args.max_tokens);
        let done = stream(
            &session.model,
            &session.text,
            &ids,
            sampling,
            limits,
            |piece| {
                out.write_all(piece.as_bytes())?;
                Ok(out.flush()?)
            },
        )?;
        writeln!(out)?;
        eprintln!(
            "{} tokens of prompt in {:.2} s; {} tokens at {:.1} tokens/s",
            ids.len(),
            done.prompt_seconds,
            done.tokens.len(),
            done.tokens.len() as f64 / done.answer_seconds.max(1e-9),
        );
        Ok(())
    }
}

fn bench(args: &BenchArgs) -> Result<()> {
    let report = crate::bench::run(args)?;
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{report}"),
    }
    Ok(())
}

fn digest(args: &DigestArgs) -> Result<()> {
    let text = checkpoint::digest(checkpoint::open(&args.model)?);
    match &args.out {
        Some(file) => write_atomic(file, text.as_bytes()),
        None => Ok(write!(std::io::stdout().lock(), "{text}")?),
    }
}
