//! The loop: batches in, steps, reports, saves.

use std::time::Instant;

use anyhow::{bail, Result};
use mlx_runtime::model::{TrainOptions, TrainStep};
use mlx_runtime::optim::{self, AdamW};
use mlx_runtime::{memory, Array};

use super::clock::Window;
use super::{saved, Prepared, Progressed, Stop};
use crate::adapter;
use crate::data::{held_out, Batch, BatchOptions, Batches, Row};
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
        mask_prompt: settings.mask_prompt,
        compat: settings.compat,
    };
    let mut step = training_step(&session.model, &settings)?;
    let layers = settings.layers_of(session.layers()?)?;
    let mut run = Run {
        adapter_config: adapter::config_json(&settings, layers)?,
        batches: match &saved {
            Some(s) => Batches::resume(&train.rows, options, s.progressed.cursor.clone())?,
            None => Batches::new(&train.rows, options, shuffle(&settings)?)?,
        },
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
    };
    if let Some(mut saved) = saved {
        step.restore(|name| saved.arrays.remove(name))?;
    }
    run.check_memory(&step, &train.rows)?;
    stop.training(true);
    let result = run.all(&mut step, stop);
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
    batches: Batches<'a>,
    valid: &'a [Row],
    data: String,
    iteration: u64,
    targets: u64,
    metrics: Metrics,
    progress: Progress,
}

impl Run<'_> {
    fn all<M: CausalLm>(&mut self, step: &mut TrainStep<M>, stop: &Stop) -> Result<()> {
        let s = self.settings;
        let mut window = Window::new();
        let mut saved_at = self.iteration;
        while self.iteration < s.iters && !stop.asked() {
            let next = self.iteration + 1;
            let batch = self.batches.next_batch()?;
            // As in mlx-lm: before the first step, before every so many, and before the last.
            let due = next == 1 || next.is_multiple_of(s.steps_per_eval);
            if due || next == s.iters {
                // The look before the last step must not change what a run that goes on draws next.
                let mut aside = self.batches.shuffle().clone();
                self.measure(&step.model()?, &mut aside)?;
                if due {
                    *self.batches.shuffle() = aside;
                }
                window.skip();
            }
            let lr = self
                .schedule
                .as_ref()
                .map_or(s.learning_rate, |l| l.at(self.iteration));
            let loss = self.step(step, &batch, lr)?;
            self.iteration = next;
            self.targets += batch.real as u64;
            let live = window.step(loss, batch.real);
            self.progress.step(&Live {
                step: next,
                loss: live.loss,
                steps_per_second: live.steps_per_second,
                tokens_per_second: live.targets_per_second,
                memory: memory::active()? as u64,
            });
            if next.is_multiple_of(s.steps_per_report) || next == s.iters {
                let means = window.report();
                let report = TrainReport {
                    iteration: next,
                    train_loss: means.loss,
                    learning_rate: lr,
                    iterations_per_second: means.steps_per_second,
                    tokens_per_second: means.targets_per_second,
                    trained_tokens: self.targets,
                    peak_memory: memory::peak()? as f64 / 1e9,
                };
                self.progress.train(&report);
                self.metrics.push(Record::Train(report))?;
            }
            if next.is_multiple_of(s.save_every) {
                self.save(step)?;
                saved_at = next;
                window.skip();
            }
        }
        if saved_at != self.iteration {
            self.save(step)?;
        }
        Ok(())
    }

    /// Shows what a step on the longest batch will take, and stops here if that is more memory than
    /// there is.
    fn check_memory<M: CausalLm>(&self, step: &TrainStep<M>, rows: &[Row]) -> Result<()> {
        let Some(row) = (0..rows.len()).max_by_key(|&i| rows[i].tokens.len()) else {
            return Ok(());
        };
        let all = vec![row; self.options.batch_size];
        let BatchOptions {
            batch_size,
            longest,
            mask_prompt,
            ..
        } = self.options;
        let batch = Batch::new(rows, &all, batch_size, longest, mask_prompt);
        let plan = step.plan(&eval::arrays(&batch)?)?;
        let (rows, width) = (batch.rows, batch.width);
        self.progress.line(&format!(
            "memory, for batches of up to {rows} x {width} tokens: {plan}"
        ));
        plan.check()?;
        Ok(())
    }

    /// One step; its loss.
    fn step<M: CausalLm>(&self, step: &mut TrainStep<M>, batch: &Batch, lr: f64) -> Result<f64> {
        // Rows that were cut may leave nothing to learn; mlx-lm's loss is then no number.
        if batch.real == 0 {
            return Ok(0.0);
        }
        let values = step.run(&eval::arrays(batch)?, lr as f32)?;
        let loss = values.first().map_or(Ok(f32::NAN), |l| l.item::<f32>())?;
        if !loss.is_finite() {
            bail!(
                "the loss of step {} is {loss}: training stops, and nothing was saved after the last good save in {}. \
                 A smaller --learning-rate (now {lr}) usually helps",
                self.iteration + 1,
                self.settings.adapter_path.display()
            );
        }
        Ok(f64::from(loss))
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
    fn save<M: CausalLm>(&self, step: &TrainStep<M>) -> Result<()> {
        let folder = &self.settings.adapter_path;
        adapter::save(folder, &step.model()?.trainable(), &self.adapter_config)?;
        let progressed = Progressed::new(
            self.iteration,
            self.targets,
            self.batches.cursor().clone(),
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
