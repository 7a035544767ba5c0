//! The training loop: batches, steps, reports, saves.
//!
//! Tests: `tests/runs.rs`.

use std::time::Instant;

use anyhow::{anyhow, bail, ensure, Context, Result};
use mlx_runtime::model::{Started, TrainStep};
use mlx_runtime::monitor::Monitor;
use mlx_runtime::optim;
use mlx_runtime::{memory, Array};

use super::ahead::{Ahead, Ready};
use super::clock::Window;
use super::saved::Watch;
use super::{batch_options, claim, saved, shuffle, Base, Prepared, Progressed, Stop};
use super::{header, step};
use crate::adapter;
use crate::advice::{self, Flags};
use crate::data::{held_out, BatchOptions, Batches, Cursor, Row};
use crate::eval;
use crate::files::{ensure_writable, is_io, message, write_atomic};
use crate::finite::Origin;
use crate::metrics::{Metrics, Record, TrainReport, ValidReport, METRICS};
use crate::objective::{MeanRewards, Objective};
use crate::plot::{self, Curves};
use crate::progress::{Live, Progress};
use crate::random::Shuffle;
use crate::session::Session;
use crate::settings::Settings;
use crate::tensorboard::{self, Events};
use mlx_models::CausalLm;

/// The folder of the best adapter, in the adapter's folder.
pub const BEST: &str = "best";
/// The picture of the losses, in the adapter's folder.
pub(super) const CURVE: &str = "loss.svg";

/// A run that has ended.
pub struct Outcome<M> {
    /// The model as trained.
    pub session: Session<M>,
    /// Steps done.
    pub iteration: u64,
    /// True if all of them are done. False if the user asked to stop.
    pub finished: bool,
    /// Step and valid loss of the best adapter, if the run looks for one.
    pub best: Option<(u64, f64)>,
    /// Steps that changed nothing because their loss or gradient was not finite.
    pub left_out: u32,
    /// Every report.
    pub metrics: Metrics,
    /// Seconds in the loop, measuring and saving included.
    pub seconds: f64,
}

/// Trains until the last step, or until `stop` is set.
pub fn run<M: CausalLm>(prepared: Prepared<M>, stop: &Stop) -> Result<Outcome<M>> {
    let started = Instant::now();
    let Prepared {
        settings,
        mut session,
        train,
        valid,
        saved,
        base,
    } = prepared;
    let options = batch_options(&settings, session.text.places());
    let objective = Objective::of(&settings, &train.rows, session.dtype)?;
    let mut step = step::of(&session.model, &settings, objective)?;
    let layers = settings.layers_of(session.layers()?)?;
    let batches = match &saved {
        Some(s) => Batches::resume(&train.rows, options, s.progressed.cursor.clone())?,
        None => Batches::new(&train.rows, options, shuffle(&settings)?)?,
    };
    let mut adapter_config = adapter::config_json(&settings, layers)?;
    adapter_config["data_format"] = serde_json::to_value(train.format)?;
    let monitor = Monitor::new()?;
    let server = settings.metrics_port.map(|port| monitor.serve(port));
    let server = server.transpose()?;
    stop.training(true);
    let mut run = Run {
        adapter_config,
        data: saved::fingerprint(&train.rows),
        base,
        iteration: saved.as_ref().map_or(0, |s| s.progressed.iteration),
        targets: saved.as_ref().map_or(0, |s| s.progressed.trained_tokens),
        metrics: Metrics::open(
            &settings.adapter_path.join(METRICS),
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
        flags: Flags {
            rows: batches.rows(),
            tokens: batches.widths().all().last().copied().unwrap_or(1),
            tokens_flag: "--max-seq-length",
            objective,
        },
        window: Window::new(monitor.clone()),
        origin: &session.origin,
        broken: None,
        searched: false,
        saved_at: saved.as_ref().map(|s| s.progressed.iteration),
        watch: saved
            .as_ref()
            .map(|s| s.progressed.watch)
            .unwrap_or_default(),
        early: false,
        rewards: MeanRewards::default(),
        events: match settings.report_to.is_empty() {
            true => None,
            false => Some(Events::create(
                &settings.adapter_path.join(tensorboard::FOLDER),
            )?),
        },
    };
    let head = header::of(
        &session,
        &settings,
        [train.rows.len(), run.valid.len()],
        &batches,
    )?;
    run.progress.line(&head);
    if let Some(server) = &server {
        let at = server.address();
        run.progress.line(&format!("metrics: http://{at}/metrics"));
    }
    if let Some(mut saved) = saved {
        step.restore(|name| saved.arrays.remove(name))?;
    }
    run.check_memory(&mut step)?;
    run.window.skip();
    let result = std::thread::scope(|scope| {
        let mut batches = Ahead::new(scope, batches, objective)?;
        run.all(&mut step, &mut batches, stop)
    });
    stop.training(false);
    run.progress.finish();
    result?;
    let watched = settings.keep_best || settings.early_stopping.is_some();
    let best = run.watch.best.filter(|_| watched);
    let (iteration, metrics, early) = (run.iteration, run.metrics, run.early);
    let left_out = step.skipped()?.total;
    session.model = step.model()?;
    Ok(Outcome {
        session,
        iteration,
        finished: early || iteration >= settings.iters,
        best,
        left_out,
        metrics,
        seconds: started.elapsed().as_secs_f64(),
    })
}

struct Run<'a> {
    settings: &'a Settings,
    adapter_config: serde_json::Value,
    schedule: Option<optim::schedule::Schedule>,
    options: BatchOptions,
    valid: &'a [Row],
    data: String,
    base: Base,
    iteration: u64,
    targets: u64,
    flags: Flags,
    metrics: Metrics,
    progress: Progress,
    window: Window,
    origin: &'a Origin,
    /// The valid loss that was measured last, if it was not finite.
    broken: Option<f64>,
    /// The model was searched for values that are not finite.
    searched: bool,
    /// The step after which the run was saved last.
    saved_at: Option<u64>,
    /// The valid losses so far.
    watch: Watch,
    /// The valid loss does not fall any more, so that the run ends.
    early: bool,
    /// The rewards since the last report.
    rewards: MeanRewards,
    /// The file of `--report-to`.
    events: Option<Events>,
}

/// A started step with a loss that was not read yet.
struct Pending {
    step: Started,
    done: Done,
}

/// A step of the optimiser: the batches after `from` and up to `iteration`.
#[derive(Clone, Copy)]
struct Done {
    from: u64,
    iteration: u64,
    lr: f64,
    real: usize,
}

impl Done {
    /// Returns true if the last batches include one with a number that is a multiple of `every`.
    fn crosses(&self, every: u64) -> bool {
        self.iteration / every > self.from / every
    }
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
        let mut unsaved = false;
        let mut pending: Option<Pending> = None;
        // The place after the last step, for a run that ends while the next one is prepared.
        let mut reached = batches.cursor().clone();
        'steps: while self.iteration < s.iters && !stop.asked() {
            // If the run ends before the group is complete, the step takes the batches there are.
            let count = s.grad_accumulation_steps.min(s.iters - self.iteration);
            let mut group: Vec<Ready> = Vec::new();
            for next in self.iteration + 1..=self.iteration + count {
                let mut batch = batches.take()?;
                batch.arrays.extend(self.flags.objective.extras(next)?);
                // Evaluates as mlx-lm does: before the first step, at the interval, and before the last.
                let due = next == 1 || next.is_multiple_of(s.steps_per_eval);
                if due || next == s.iters {
                    self.ended(step, pending.take())?;
                    // The evaluation before the last step must not change the random numbers of a run that is resumed.
                    let mut aside = batches.cursor().shuffle().clone();
                    self.measure(&step.model()?, (next - 1, due), &mut aside)?;
                    if self.early {
                        break 'steps;
                    }
                    if due {
                        batches.set_shuffle(aside)?;
                    }
                    self.window.skip();
                }
                if next < s.iters {
                    batches.prepare()?;
                }
                group.push(batch);
            }
            let updates = self.iteration.div_ceil(s.grad_accumulation_steps);
            let done = Done {
                from: self.iteration,
                iteration: self.iteration + count,
                lr: self
                    .schedule
                    .as_ref()
                    .map_or(s.learning_rate, |l| l.at(updates)),
                real: group.iter().map(|b| b.real).sum(),
            };
            // Rows that were cut may leave nothing to learn; mlx-lm's loss is then no number.
            let given: Vec<&[Array]> = group
                .iter()
                .filter(|b| b.real > 0)
                .map(|b| b.arrays.as_slice())
                .collect();
            let started = match given[..] {
                [] => Ok(None),
                [batch] => step.start(batch, done.lr as f32).map(Some),
                _ => step.start_accumulated(&given, done.lr as f32).map(Some),
            };
            let started = match started {
                Ok(started) => started,
                Err(error) => {
                    let error = advice::explained(error.into(), step, self.flags);
                    return Err(error.context(self.intact(done.iteration)));
                }
            };
            self.iteration = done.iteration;
            reached = batches.cursor().clone();
            stop.begun();
            self.ended(step, pending.take())?;
            match started {
                Some(step) => pending = Some(Pending { step, done }),
                // Its rows were cut to nothing, so there is no loss.
                None => {
                    self.count(done, f64::NAN)?;
                    self.report(done)?;
                }
            }
            unsaved = true;
            if done.crosses(s.save_every) && self.iteration < s.iters {
                self.ended(step, pending.take())?;
                // A run that has learnt nothing yet must not replace the files of an earlier one.
                unsaved = self.targets > 0 && !self.saves(step, batches.cursor())?;
                self.window.skip();
            }
        }
        self.ended(step, pending.take())?;
        match step.skipped()?.total {
            0 => {}
            n => self.progress.line(&format!("steps skipped in all: {n}")),
        }
        self.learnt(step)?;
        if unsaved {
            self.save(step, &reached).with_context(|| self.lost())?;
        }
        Ok(())
    }

    /// Returns an error with the reason if a run that took steps has learnt nothing, or diverged.
    fn learnt<M: CausalLm>(&self, step: &TrainStep<M>) -> Result<()> {
        if self.iteration == 0 {
            return Ok(());
        }
        if self.targets > 0 {
            return match self.broken {
                Some(loss) if self.iteration == self.settings.iters => {
                    let what = format!("the valid loss was {loss} at the end");
                    Err(self.origin.error(what, &step.model()?))
                        .with_context(|| self.intact(self.iteration))
                }
                _ => Ok(()),
            };
        }
        ensure!(
            step.skipped()?.total > 0,
            "nothing was trained or saved, because none of the {} batches had a target",
            self.iteration
        );
        let what = format!(
            "nothing was trained or saved, because the loss or its gradient was NaN or infinite in all {} steps",
            step.skipped()?.total
        );
        Err(self.origin.error(what, &step.model()?))
    }

    /// Ends the run if a tensor of the model is not finite: no step can come to anything.
    fn search<M: CausalLm>(&mut self, step: &TrainStep<M>, iteration: u64) -> Result<()> {
        if std::mem::replace(&mut self.searched, true) {
            return Ok(());
        }
        match self.origin.fault(&step.model()?)? {
            Some(fault) => Err(anyhow!("the loss is not finite: {fault}"))
                .with_context(|| self.intact(iteration)),
            None => Ok(()),
        }
    }

    /// Waits for a step and reports it.
    fn ended<M: CausalLm>(&mut self, model: &TrainStep<M>, pending: Option<Pending>) -> Result<()> {
        let Some(Pending { step, done }) = pending else {
            return Ok(());
        };
        let (iteration, lr) = (done.iteration, done.lr);
        let skipped = step.skipped().with_context(|| self.intact(iteration))?;
        if skipped.in_a_row > 0 {
            self.search(model, iteration)?;
        }
        let values = step.wait().with_context(|| self.intact(iteration))?;
        let outcome = self.flags.objective.outcome(&values)?;
        let loss = outcome.loss;
        if skipped.in_a_row > 0 {
            let what = match loss.is_finite() {
                true => "its gradient is not finite".to_owned(),
                false => format!("its loss is {loss}"),
            };
            self.progress.line(&format!(
                "step {iteration} is skipped, because {what} ({} so far): try a smaller --learning-rate (now {lr})",
                skipped.total
            ));
            self.window.left_out(skipped.total)?;
            self.window.skip();
            return self.report(done);
        }
        if let Some(rewards) = outcome.rewards {
            self.rewards.add(rewards);
        }
        self.count(done, loss)?;
        self.report(done)
    }

    /// Counts a step that was taken.
    fn count(&mut self, done: Done, loss: f64) -> Result<()> {
        self.targets += done.real as u64;
        let batches = done.iteration - done.from;
        let live = self.window.step(loss, done.real, batches)?;
        self.progress.step(&Live {
            step: done.iteration,
            loss: live.loss,
            steps_per_second: live.steps_per_second,
            tokens_per_second: live.targets_per_second,
            memory: memory::active()? as u64,
        });
        Ok(())
    }

    /// Reports the means since the last report, at the interval and after the last step.
    fn report(&mut self, done: Done) -> Result<()> {
        let s = self.settings;
        let due = done.crosses(s.steps_per_report) || done.iteration == s.iters;
        if !due || self.window.is_empty() {
            return Ok(());
        }
        let now = self.window.report()?;
        let rewards = std::mem::take(&mut self.rewards).mean();
        let means = now.means;
        let report = TrainReport {
            iteration: done.iteration,
            train_loss: means.loss,
            learning_rate: done.lr,
            iterations_per_second: means.steps_per_second,
            tokens_per_second: means.targets_per_second,
            trained_tokens: self.targets,
            peak_memory: now.peak as f64 / 1e9,
            active_memory: now.active as f64 / 1e9,
            gpu_utilization: now.gpu_utilization,
            reward_accuracy: rewards.map(|r| r.accuracy),
            reward_margin: rewards.map(|r| r.margin),
        };
        self.progress.train(&report);
        self.record(Record::Train(report))
    }

    /// Keeps a report, and hands it on.
    fn record(&mut self, record: Record) -> Result<()> {
        if let Some(events) = &mut self.events {
            if let Err(error) = events.add(record.iteration(), &record.scalars()) {
                self.progress
                    .line(&format!("{error:#}; training goes on without --report-to"));
                self.events = None;
            }
        }
        self.metrics.push(record)
    }

    /// Shows the memory of a step on the widest batch, and returns an error if that is more than there is.
    fn check_memory<M: CausalLm>(&self, step: &mut TrainStep<M>) -> Result<()> {
        let Flags { rows, tokens, .. } = self.flags;
        let plan = step.plan(&self.flags.objective.blank(rows, tokens)?)?;
        let planned = header::memory(&plan, rows, tokens);
        self.progress.line(&planned);
        if self.settings.verbose {
            self.progress.line(&format!("           {plan}"));
        }
        advice::check(step, &plan, self.flags)
    }

    /// The message that the last checkpoint is intact in spite of an error.
    fn intact(&self, iteration: u64) -> String {
        let folder = self.settings.adapter_path.display();
        format!("step {iteration} failed; the last save in {folder} is intact")
    }

    /// Measures the loss on the valid split after a number of batches.
    fn measure(
        &mut self,
        model: &impl CausalLm,
        (iteration, at_interval): (u64, bool),
        shuffle: &mut Shuffle,
    ) -> Result<()> {
        let most = usize::try_from(self.settings.val_batches).ok();
        if self.valid.is_empty() || most == Some(0) {
            return Ok(());
        }
        let start = Instant::now();
        let batches = held_out(self.valid, self.options, most, shuffle)?;
        let objective = self.flags.objective.measured();
        let loss = eval::loss(model, &batches, objective, |done| {
            self.progress.measuring(done, batches.len())
        })?;
        let rewards = loss.and_then(|l| l.rewards);
        let Some(loss) = loss.map(|l| l.loss) else {
            let none = "no valid loss, because none of the batches measured has a target";
            self.progress.line(&format!("step {iteration:>5}: {none}"));
            return Ok(());
        };
        self.broken = (!loss.is_finite()).then_some(loss);
        if self.broken.is_some() {
            if let Some(fault) = self.origin.fault(model)? {
                bail!("the valid loss is {loss}: {fault}");
            }
            self.progress.line(&format!(
                "step {iteration:>5}: valid loss {loss}, although every tensor is finite: the values overflow on the way"
            ));
            return Ok(());
        }
        let report = ValidReport {
            iteration,
            val_loss: loss,
            val_time: start.elapsed().as_secs_f64(),
            reward_accuracy: rewards.map(|r| r.accuracy),
            reward_margin: rewards.map(|r| r.margin),
        };
        self.progress.valid(&report);
        self.record(Record::Valid(report))?;
        let best = self.watch.see(iteration, loss, at_interval);
        if best && self.settings.keep_best {
            let folder = self.settings.adapter_path.join(BEST);
            let saved = ensure_writable(&folder)
                .and_then(|()| adapter::uniform(model.trainable(), &self.settings.lora))
                .and_then(|best| adapter::save(&folder, &best, &self.adapter_config));
            if let Err(error) = saved {
                let text = message(&error);
                self.progress.line(&format!(
                    "step {iteration}: the best adapter is not saved: {text}"
                ));
            }
        }
        let patience = self.settings.early_stopping.unwrap_or(u64::MAX);
        if at_interval && self.watch.since >= patience {
            self.early = true;
            self.progress.line(&format!(
                "step {iteration}: stopping early, because the valid loss has not fallen in {patience} evaluations"
            ));
        }
        Ok(())
    }

    /// Saves during the run, and returns false if the files cannot be written now. The adapter is still in memory, so
    /// the run goes on: a disk that is full for a moment must not end it.
    fn saves<M: CausalLm>(&mut self, step: &TrainStep<M>, cursor: &Cursor) -> Result<bool> {
        match self.save(step, cursor) {
            Err(error) if is_io(&error) => {
                self.progress.line(&format!(
                    "step {}: not saved: {}; training goes on, and the next save tries again",
                    self.iteration,
                    message(&error)
                ));
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    /// The message if the last save fails, with the files that are intact.
    fn lost(&self) -> String {
        let folder = self.settings.adapter_path.display();
        let left = match self.saved_at {
            Some(at) => format!("the save of step {at} in {folder} is intact"),
            None => "nothing was saved before".to_owned(),
        };
        format!("step {} could not be saved; {left}", self.iteration)
    }

    /// The adapter, the state to go on from, and the curve.
    fn save<M: CausalLm>(&mut self, step: &TrainStep<M>, cursor: &Cursor) -> Result<()> {
        let folder = &self.settings.adapter_path;
        let trained = adapter::uniform(step.model()?.trainable(), &self.settings.lora)?;
        // The step before may have led here with a loss that was still a number.
        if let Some(fault) = self.origin.fault_in(&trained)? {
            return Err(anyhow!("the adapter cannot be saved: {fault}"))
                .with_context(|| self.intact(self.iteration));
        }
        adapter::save(folder, &trained, &self.adapter_config)?;
        if self.settings.save_total_limit != 0 {
            let copies = (self.iteration, self.settings.save_total_limit);
            adapter::save_numbered(folder, &trained, &self.adapter_config, copies)?;
        }
        let progressed = Progressed::new(
            self.iteration,
            self.targets,
            cursor.clone(),
            self.settings.clone(),
            (self.data.clone(), self.base.clone(), self.watch),
        );
        saved::save(folder, &step.state(), &progressed)?;
        claim::forget_old(folder);
        self.saved_at = Some(self.iteration);
        self.metrics.catch_up();
        let curves = Curves {
            name: "train".into(),
            train: self.metrics.train_curve(),
            valid: self.metrics.valid_curve(),
        };
        let s = self.settings;
        let subtitle = format!(
            "{} · {} · learning rate {}",
            s.model,
            s.data(),
            s.learning_rate
        );
        if let Some(svg) = plot::svg(&[curves], &subtitle)? {
            // The picture is drawn again at the next save. The adapter is on disk.
            if let Err(e) = write_atomic(&folder.join(CURVE), svg.as_bytes()) {
                self.progress.line(&format!("{e:#}"));
            }
        }
        Ok(())
    }
}
