//! `bench`: measures the speed and the memory of a training step, on random tokens.
//!
//! Tests: `tests/memory.rs`.

mod floor;
mod report;

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use mlx_models::{CausalLm, Family, Visitor};
use mlx_runtime::device::{default_device, Device};
use mlx_runtime::model::{self, add_lora, lora_keys, LoraConfig, Started, TrainOptions, TrainStep};
use mlx_runtime::monitor::Monitor;
use mlx_runtime::optim::AdamW;
use mlx_runtime::{memory, ops, random, transforms, Array, Dtype};

use crate::advice::{self, Flags};
use crate::checkpoint::{self, Checkpoint};
use crate::cli::{BenchArgs, Switch};
use crate::objective::Objective;
use crate::ranks::Ranks;
use crate::session::{Loading, Session};
use crate::settings::{bounds, FineTune, GradCheckpoint, Packing};
use crate::synth::{draw, Recipe};
use crate::train::Stop;
pub use report::{RanksFigures, Report};

/// The number of losses that a report keeps.
const LOSSES: usize = 10;

/// Measures a training step with the settings of the flags. On several ranks, each takes its part of the batch, and the
/// report of rank 0 is about all of them.
pub fn run(args: &BenchArgs) -> Result<Report> {
    let ranks = Ranks::join(args.runtime.device.as_deref(), &Stop::default())?;
    let mut report = None;
    let run = run_on(args, &ranks).map(|made| report = Some(made));
    ranks.settle(run)?;
    report.context("no report was made")
}

fn run_on(args: &BenchArgs, ranks: &Ranks) -> Result<Report> {
    bounds::flag("batch_size", args.batch_size)?;
    bounds::flag("tokens", args.tokens)?;
    bounds::flag("steps", args.steps)?;
    bounds::flag("warmup", args.warmup)?;
    bounds::flag("learning_rate", args.learning_rate)?;
    bounds::flag("num_layers", args.num_layers)?;
    bounds::lora(args.lora_rank, f64::from(args.lora_scale))?;
    for (key, given) in [("bandwidth", args.bandwidth), ("tflops", args.tflops)] {
        given.map_or(Ok(()), |x| bounds::flag(key, x))?;
    }
    ensure!(
        args.batch_size.is_multiple_of(ranks.size()),
        "--batch-size is {}, expected a multiple of the number of ranks, {}",
        args.batch_size,
        ranks.size()
    );
    let _runtime = args.runtime.set_up()?;
    let checkpoint = match Recipe::parse(&args.model)? {
        Some(mut recipe) => {
            // Draws the weights in the dtype of the computation, unless the name gives one.
            recipe.dtype = recipe.dtype.or(args.dtype);
            recipe.open()?
        }
        None => checkpoint::open(&args.model)?,
    };
    mlx_models::dispatch(
        checkpoint.config.family,
        Bench {
            checkpoint,
            args,
            ranks,
        },
    )
}

struct Bench<'a> {
    checkpoint: Checkpoint,
    args: &'a BenchArgs,
    ranks: &'a Ranks,
}

impl Visitor for Bench<'_> {
    type Output = Result<Report>;

    fn visit<M: CausalLm>(self) -> Result<Report> {
        let (args, ranks) = (self.args, self.ranks);
        let loading = Loading {
            packing: Packing::of(&args.packing)?,
            dtype: args.dtype,
            ..Loading::default()
        };
        memory::reset_peak()?;
        let started = Instant::now();
        let mut session = Session::<M>::load_as(self.checkpoint, &args.model, loading)?;
        let load_seconds = started.elapsed().as_secs_f64();
        let load_peak_bytes = memory::peak()?;
        let places = session.config.max_position_embeddings;
        ensure!(
            session.config.family != Family::Gpt2 || args.tokens <= places,
            "--tokens is {}, expected at most {places}, the positions of the model",
            args.tokens
        );
        let weights = weigh(&session)?;
        adapt(&mut session.model, args)?;
        let vocabulary = session.config.vocab_size;
        let layers = session.config.num_hidden_layers;
        let (dtype, origin) = (session.dtype, session.origin.clone());
        let mut step = training_step(session.model, args, ranks)?;
        let batch = batch(args, vocabulary, ranks)?;

        let plan = step.plan(&batch)?;
        let flags = Flags {
            rows: ranks.rows(args.batch_size),
            tokens: args.tokens,
            tokens_flag: "--tokens",
            objective: Objective::default(),
        };
        let cost = ranks.cost(&step)?;
        ranks.busy(None);
        // An explicit policy without a memory limit is measured even if the plan does not fit.
        if args.grad_checkpoint == GradCheckpoint::Auto || args.runtime.memory_limit.is_some() {
            advice::check(&mut step, &plan, flags)?;
        }
        let mut timed = Timed::new(args.pipeline == Switch::On);
        let mut watch = None;
        for i in 0..args.warmup + args.steps {
            if i == args.warmup {
                timed.drain()?;
                memory::clear_cache()?;
                memory::reset_peak()?;
                watch = Some(Monitor::new()?.watch_gpu(Duration::from_millis(100))?);
                timed.last = Instant::now();
            }
            // As in training, where ranks agree before each step that none has to stop.
            ranks.gather(&format!("step {}", i + 1), &())?;
            if let Err(error) = timed.step(&mut step, &batch, args.learning_rate) {
                return Err(advice::explained(error, &mut step, flags));
            }
        }
        timed.drain()?;
        if let Some((number, loss)) = timed.broken {
            let what = format!("the loss of step {number} is {loss}");
            return Err(origin.error(what, &step.model()?));
        }
        let gpu_utilization = watch.as_ref().and_then(|w| w.mean());
        drop(watch);
        let peak_bytes = memory::peak()?;
        ranks.compare_states("the last step", &step)?;
        let peaks = ranks.gather("the peaks", &peak_bytes)?;

        let again = match model::Checkpoint::from(args.grad_checkpoint) {
            model::Checkpoint::Auto => plan.spans.iter().map(|s| s.again).sum(),
            model::Checkpoint::Never => 0,
            _ => layers,
        };
        let mut times = timed.ms.split_off(args.warmup);
        let first_step_ms = timed.ms.first().copied().unwrap_or(times[0]);
        // If steps overlap, the first time includes the start of the second step, and the last time only covers the
        // rest of its step.
        if args.pipeline == Switch::On && times.len() > 2 {
            times.pop();
            times.remove(0);
        }
        times.sort_by(f64::total_cmp);
        let median_ms = times[times.len() / 2];
        let tokens = args.batch_size * args.tokens;
        let peak = floor::peak(args.bandwidth, args.tflops)?;
        let floor = peak.map(|peak| {
            let work = floor::Work {
                bytes: weights.bytes as f64,
                values: weights.values,
                tokens: tokens as f64,
                again: again as f64 / layers.max(1) as f64,
            };
            floor::floor(work, peak)
        });
        Ok(Report {
            model: args.model.clone(),
            device: floor::device_name()?,
            mlx: mlx_runtime::version()?,
            dtype: dtype.name().to_owned(),
            bits: Packing::of(&args.packing)?.map_or(16, |p| p.how().group_size_and_bits().1),
            batch_size: args.batch_size,
            tokens: args.tokens,
            grad_checkpoint: args.grad_checkpoint.to_string(),
            layers_again: again,
            layers,
            pipeline: args.pipeline == Switch::On,
            steps: args.steps,
            warmup: args.warmup,
            median_ms,
            min_ms: times[0],
            first_step_ms,
            steps_per_second: 1e3 / median_ms,
            tokens_per_second: tokens as f64 * 1e3 / median_ms,
            gpu_utilization,
            peak_bytes,
            predicted_peak_bytes: plan.predicted_peak,
            load_peak_bytes,
            load_seconds,
            weights_bytes: weights.bytes,
            operations: plan.operations,
            // MLX's GPU backends split and join operations as they run them, and count nothing.
            kernels: (default_device()? == Device::cpu()).then_some(plan.kernels),
            floor,
            share_of_floor: floor.map(|f| f.ms / median_ms),
            losses: timed.losses,
            ranks: cost.map(|cost| RanksFigures {
                peak_bytes: peaks,
                reduced_bytes: cost.bytes,
                buckets: cost.buckets,
                reduce_ms: cost.ms,
            }),
        })
    }
}

struct Weighed {
    bytes: usize,
    values: f64,
}

/// The bytes of a model's tensors, and the number of values in them.
fn weigh<M: CausalLm>(session: &Session<M>) -> Result<Weighed> {
    // A fresh model has every value unpacked; none of it is computed.
    let fresh: M = model::init(&session.config, random::key(0)?, Dtype::Float32)?;
    let values = fresh.parameters().into_iter().map(|(_, a)| a.size() as f64);
    Ok(Weighed {
        values: values.sum(),
        bytes: session
            .model
            .parameters()
            .iter()
            .map(|(_, a)| a.nbytes())
            .sum(),
    })
}

/// Adds an adapter with the initial values of [`draw::adapter`].
fn adapt<M: CausalLm>(model: &mut M, args: &BenchArgs) -> Result<()> {
    if args.fine_tune_type == FineTune::Full {
        model::unfreeze_layers(model, args.num_layers)?;
        return Ok(());
    }
    let keys = match &args.lora_keys {
        Some(keys) => keys.clone(),
        None => attention_keys(model),
    };
    let config = LoraConfig {
        rank: args.lora_rank,
        scale: args.lora_scale,
        keys,
        num_layers: args.num_layers,
        dora: args.fine_tune_type == FineTune::Dora,
        ..LoraConfig::default()
    };
    add_lora(model, &config, &random::key(args.seed)?)?;
    let first: Vec<Array> = model
        .trainable()
        .iter()
        .map(|(name, a)| match name.ends_with(".m") {
            true => Ok(a.clone()),
            false => draw::adapter(name, a.shape(), args.seed),
        })
        .collect::<Result<_, _>>()?;
    Ok(model.set_trainable(&first)?)
}

/// The projections of the attention, or all matrices that may be adapted if it has another name.
fn attention_keys(model: &impl CausalLm) -> Vec<String> {
    let all = lora_keys(model);
    let in_attention = |key: &&String| key.starts_with("self_attn.");
    match all.iter().filter(in_attention).cloned().collect::<Vec<_>>() {
        none if none.is_empty() => all,
        keys => keys,
    }
}

fn training_step<M: CausalLm>(model: M, args: &BenchArgs, ranks: &Ranks) -> Result<TrainStep<M>> {
    let optimizer = AdamW {
        learning_rate: args.learning_rate,
        weight_decay: 0.0,
        // mlx-lm's Adam has none.
        bias_correction: false,
        ..AdamW::default()
    };
    let mut options = TrainOptions::default();
    options.checkpoint = Some(args.grad_checkpoint.into());
    options.group = ranks.group();
    let alone = ranks.size() == 1;
    let loss = move |model: &M, batch: &[Array]| match batch {
        [tokens, targets, mask] if alone => Ok(vec![model.loss(tokens, targets, mask)?]),
        [tokens, targets, mask] => Ok(vec![
            model.loss(tokens, targets, mask)?,
            ops::sum(mask, &[], false)?,
        ]),
        _ => unreachable!("a batch is tokens, targets and mask"),
    };
    Ok(TrainStep::new(model, loss, optimizer, options)?)
}

/// Tokens, targets and weights of this rank's part of a random batch. All targets count.
fn batch(args: &BenchArgs, vocabulary: usize, ranks: &Ranks) -> Result<[Array; 3]> {
    let rows = i32::try_from(args.batch_size)?;
    let tokens = i32::try_from(args.tokens)?;
    let ids = draw::ids(
        "batch.0",
        rows,
        tokens.checked_add(1).context("--tokens is too large")?,
        i32::try_from(vocabulary)?,
        args.seed,
    )?;
    let (first, step) = (i32::try_from(ranks.rank())?, i32::try_from(ranks.size())?);
    let part = |from: i32, to: i32| {
        let part = ops::slice(&ids, &[first, from], &[rows, to], &[step, 1])?;
        ops::contiguous(&part, false)
    };
    let batch = [
        part(0, tokens)?,
        part(1, tokens + 1)?,
        ops::ones(&[rows / step, tokens], Dtype::Float32)?,
    ];
    transforms::eval(&batch.iter().collect::<Vec<_>>())?;
    Ok(batch)
}

/// The time from one result to the next.
struct Timed {
    ahead: bool,
    pending: Option<Started>,
    last: Instant,
    ms: Vec<f64>,
    steps: usize,
    losses: Vec<f32>,
    /// The first step with a loss that is not finite, counted from 1, and the loss.
    broken: Option<(usize, f32)>,
}

impl Timed {
    fn new(ahead: bool) -> Timed {
        Timed {
            ahead,
            pending: None,
            last: Instant::now(),
            ms: Vec::new(),
            steps: 0,
            losses: Vec::new(),
            broken: None,
        }
    }

    /// Starts a step, and waits for the one before, or for this one.
    fn step<M: CausalLm>(
        &mut self,
        step: &mut TrainStep<M>,
        batch: &[Array],
        lr: f32,
    ) -> Result<()> {
        let next = step.start(batch, lr)?;
        self.drain()?;
        self.pending = Some(next);
        if !self.ahead {
            self.drain()?;
        }
        Ok(())
    }

    /// Waits for the step that runs.
    fn drain(&mut self) -> Result<()> {
        let Some(step) = self.pending.take() else {
            return Ok(());
        };
        let values = step.wait()?;
        let loss = values.first().map_or(Ok(f32::NAN), |l| l.item::<f32>())?;
        self.ms.push(self.last.elapsed().as_secs_f64() * 1e3);
        self.last = Instant::now();
        self.steps += 1;
        if !loss.is_finite() && self.broken.is_none() {
            self.broken = Some((self.steps, loss));
        }
        if self.losses.len() < LOSSES {
            self.losses.push(loss);
        }
        Ok(())
    }
}
