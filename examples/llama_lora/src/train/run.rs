//! The loop: batches in, steps, reports, saves.

use std::time::Instant;

use anyhow::{Context, Result};
use mlx_runtime::model::{Started, TrainOptions, TrainStep};
use mlx_runtime::monitor::Monitor;
use mlx_runtime::optim::{self, AdamW};
use mlx_runtime::{memory, Array};

use super::ahead::{self, Ahead};
use super::clock::Window;
use super::{saved, Prepared, Progressed, Stop};
use crate::adapter;
use crate::data::{held_out, BatchOptions, Batches, Cursor, Row, Widths};
use crate::eval;
use crate::files::write_atomic;
use crate::metrics::{Metrics, Record, TrainReport, ValidReport};
use crate::plot;
use crate::progress::{Live, Progress};
use crate::random::Shuffle;
use crate::session::Session;
use crate::settings::Settings;
use mlx_models::CausalLm;

/// A run that has ended.
pub struct Outcome<M> {
    /// The model as trained.
    pub session: Session<M>,
    /// Steps done.
    pub iteration: u64,
    /// Whether all of them are done; otherwise someone asked to stop.
    pub finished: bool,
    /// Every report.
    pub metrics: Metrics,
    /// Seconds in the loop, measuring and saving included.
    pub seconds: f64,
}

/// Trains until the last step, or until `stop` is asked for.
pub fn run<M: CausalLm>(prepared: Prepared<M>, stop: &Stop) -> Result<Outcome<M>> {
    let started = Instant::now();
    let Prepared {
        settings,
        mut session,
        train,
        valid,
        saved,
    } = prepared;
    let options = BatchOptions {
        batch_size: settings.batch_size,
        longest: settings.max_seq_length,
        buckets: settings.length_buckets,
        mask_prompt: settings.mask_prompt,
        compat: settings.compat,
    };
    let mut step = training_step(&session.model, &settings)?;
    let layers = settings.layers_of(session.layers()?)?;
    let batches = match &saved {
        Some(s) => Batches::resume(&train.rows, options, s.progressed.cursor.clone())?,
        None => Batches::new(&train.rows, options, shuffle(&settings)?)?,
    };
    let monitor = Monitor::new()?;
    let mut run = Run {
        adapter_config: adapter::config_json(&settings, layers)?,
        data: saved::fingerprint(&train.rows),
        iteration: saved.as_ref().map_or(0, |s| s.progressed.iteration),
        targets: saved.as_ref().map_or(0, |s| s.progressed.trained_tokens),
        metrics: Metrics::open(
            &settings.adapter_path.join("metrics.jsonl"),
            saved.as_ref().map(|s| s.progressed.iteration),
        )?,
        valid: valid
            .as_ref()
            .map(|v| v.rows.as_slice())
            .unwrap_or_default(),
        schedule: settings
            .lr_schedule
            .as_ref()
            .map(|l| l.build())
            .transpose()?,
        options,
        progress: Progress::new(
            settings.iters,
            saved.as_ref().map_or(0, |s| s.progressed.iteration),
        ),
        settings: &settings,
        left_out: 0,
        window: Window::new(monitor.clone()),
    };
    let server = settings.metrics_port.map(|port| monitor.serve(port));
    let server = server.transpose()?;
    if let Some(server) = &server {
        let at = server.address();
        run.progress.line(&format!("metrics: http://{at}/metrics"));
    }
    if let Some(mut saved) = saved {
        step.restore(|name| saved.arrays.remove(name))?;
    }
    run.check_memory(&step, batches.widths())?;
    stop.training(true);
    run.window.skip();
    let result = std::thread::scope(|scope| {
        let mut batches = Ahead::new(scope, batches);
        run.all(&mut step, &mut batches, stop)
    });
    stop.training(false);
    run.progress.finish();
    result?;
    let (iteration, metrics) = (run.iteration, run.metrics);
    session.model = step.model()?;
    Ok(Outcome {
        session,
        iteration,
        finished: iteration >= settings.iters,
        metrics,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn shuffle(settings: &Settings) -> Result<Shuffle> {
    Ok(if settings.compat {
        Shuffle::numpy(u32::try_from(settings.seed)?)
    } else {
        Shuffle::new(settings.seed)
    })
}

fn training_step<M: CausalLm>(model: &M, settings: &Settings) -> Result<TrainStep<M>> {
    let o = &settings.optimizer_config;
    let optimizer = AdamW {
        learning_rate: settings.learning_rate as f32,
        betas: (o.betas[0] as f32, o.betas[1] as f32),
        eps: o.eps as f32,
        weight_decay: o.weight_decay as f32,
        bias_correction: o.bias_correction,
    };
    let mut options = TrainOptions::default();
    options.checkpoint = Some(settings.grad_checkpoint.into());
    let loss = |model: &M, batch: &[Array]| match batch {
        [tokens, targets, mask] => Ok(vec![model.loss(tokens, targets, mask)?]),
        _ => unreachable!("a batch is tokens, targets and mask"),
    };
    Ok(TrainStep::new(model.clone(), loss, optimizer, options)?)
}

struct Run<'a> {
    settings: &'a Settings,
    adapter_config: serde_json::Value,
    schedule: Option<optim::schedule::Schedule>,
    options: BatchOptions,
    valid: &'a [Row],
    data: String,
    iteration: u64,
    targets: u64,
    left_out: u64,
    metrics: Metrics,
    progress: Progress,
    window: Window,
}

/// A step that was started and whose loss nobody has read.
struct Pending {
    step: Started,
    iteration: u64,
    lr: f64,
    real: usize,
}

impl Run<'_> {
    /// The steps. While one runs, the next batch is made and the next step's graph is built: a loss is read one step
    /// late, except before something that looks at the model.
    fn all<M: CausalLm>(
        &mut self,
        step: &mut TrainStep<M>,
        batches: &mut Ahead,
        stop: &Stop,
    ) -> Result<()> {
        let s = self.settings;
        let mut saved_at = self.iteration;
        let mut pending: Option<Pending> = None;
        while self.iteration < s.iters && !stop.asked() {
            let next = self.iteration + 1;
            let batch = batches.take()?;
            // As in mlx-lm: before the first step, before every so many, and before the last.
            let due = next == 1 || next.is_multiple_of(s.steps_per_eval);
            if due || next == s.iters {
                self.ended(pending.take())?;
                // The look before the last step must not change what a run that goes on draws next.
                let mut aside = batches.cursor().shuffle().clone();
                self.measure(&step.model()?, &mut aside)?;
                if due {
                    batches.set_shuffle(aside)?;
                }
                self.window.skip();
            }
            if next < s.iters {
                batches.prepare()?;
            }
            let lr = self
                .schedule
                .as_ref()
                .map_or(s.learning_rate, |l| l.at(self.iteration));
            // Rows that were cut may leave nothing to learn; mlx-lm's loss is then no number.
            let started = match batch.real {
                0 => None,
                real => Some(Pending {
                    step: step.start(&batch.arrays, lr as f32)?,
                    iteration: next,
                    lr,
                    real,
                }),
            };
            self.iteration = next;
            self.ended(pending.take())?;
            match started {
                Some(started) => pending = Some(started),
                None => {
                    self.count(next, 0.0, 0)?;
                    self.report(next, lr)?;
                }
            }
            if next.is_multiple_of(s.save_every) {
                self.ended(pending.take())?;
                self.save(step, batches.cursor())?;
                saved_at = next;
                self.window.skip();
            }
        }
        self.ended(pending.take())?;
        if saved_at != self.iteration {
            self.save(step, batches.cursor())?;
        }
        Ok(())
    }

    /// Waits for a step and reports it.
    fn ended(&mut self, pending: Option<Pending>) -> Result<()> {
        let Some(Pending {
            step,
            iteration,
            lr,
            real,
        }) = pending
        else {
            return Ok(());
        };
        let values = step.wait().with_context(|| {
            format!(
                "step {iteration} failed; what was saved last in {} is intact",
                self.settings.adapter_path.display()
            )
        })?;
        let loss = values.first().map_or(Ok(f32::NAN), |l| l.item::<f32>())?;
        if !loss.is_finite() {
            self.left_out += 1;
            self.progress.line(&format!(
                "step {iteration} is left out: its loss is {loss} ({} so far); a smaller --learning-rate (now {lr}) usually helps",
                self.left_out
            ));
            self.window.skip();
            return self.report(iteration, lr);
        }
        self.count(iteration, f64::from(loss), real)?;
        self.report(iteration, lr)
    }

    /// Counts a step that was taken.
    fn count(&mut self, iteration: u64, loss: f64, real: usize) -> Result<()> {
        self.targets += real as u64;
        let live = self.window.step(loss, real)?;
        self.progress.step(&Live {
            step: iteration,
            loss: live.loss,
            steps_per_second: live.steps_per_second,
            tokens_per_second: live.targets_per_second,
            memory: memory::active()? as u64,
        });
        Ok(())
    }

    /// After every so many steps, and after the last: the means since the last report, if there is something to report.
    fn report(&mut self, iteration: u64, lr: f64) -> Result<()> {
        let s = self.settings;
        let due = iteration.is_multiple_of(s.steps_per_report) || iteration == s.iters;
        if !due || self.window.is_empty() {
            return Ok(());
        }
        let now = self.window.report()?;
        let means = now.means;
        let report = TrainReport {
            iteration,
            train_loss: means.loss,
            learning_rate: lr,
            iterations_per_second: means.steps_per_second,
            tokens_per_second: means.targets_per_second,
            trained_tokens: self.targets,
            peak_memory: now.peak as f64 / 1e9,
            gpu_utilization: now.gpu_utilization,
        };
        self.progress.train(&report);
        self.metrics.push(Record::Train(report))
    }

    /// Shows what a step on the widest batch will take, and stops here if that is more memory than
    /// there is.
    fn check_memory<M: CausalLm>(&self, step: &TrainStep<M>, widths: &Widths) -> Result<()> {
        let rows = self.options.batch_size;
        let batch = ahead::widest(widths, rows)?;
        let plan = step.plan(&batch)?;
        let width = batch[0].dim(1)?;
        self.progress.line(&format!(
            "memory, for batches of up to {rows} x {width} tokens: {plan}"
        ));
        plan.check()?;
        Ok(())
    }

    /// Loss on the valid split.
    fn measure(&mut self, model: &impl CausalLm, shuffle: &mut Shuffle) -> Result<()> {
        let most = usize::try_from(self.settings.val_batches).ok();
        if self.valid.is_empty() || most == Some(0) {
            return Ok(());
        }
        let start = Instant::now();
        let batches = held_out(self.valid, self.options, most, shuffle)?;
        let loss = eval::loss(model, &batches, |done| {
            self.progress.measuring(done, batches.len())
        })?;
        let report = ValidReport {
            iteration: self.iteration,
            val_loss: loss,
            val_time: start.elapsed().as_secs_f64(),
        };
        self.progress.valid(&report);
        self.metrics.push(Record::Valid(report))
    }

    /// The adapter, the state to go on from, and the curve.
    fn save<M: CausalLm>(&self, step: &TrainStep<M>, cursor: &Cursor) -> Result<()> {
        let folder = &self.settings.adapter_path;
        adapter::save(folder, &step.model()?.trainable(), &self.adapter_config)?;
        let progressed = Progressed::new(
            self.iteration,
            self.targets,
            cursor.clone(),
            self.settings.clone(),
            self.data.clone(),
        );
        saved::save(folder, &step.state(), &progressed)?;
        if let Some(svg) = plot::svg(&self.metrics.train_curve(), &self.metrics.valid_curve())? {
            write_atomic(&folder.join("loss.svg"), svg.as_bytes())?;
        }
        Ok(())
    }
}
