//! Time and tokens: since the last report, and smoothed for the bar. The monitor counts them, and `--metrics-port`
//! serves them.
//!
//! Tests: `tests/runs.rs`.

use anyhow::Result;
use mlx_runtime::monitor::{self, Monitor};

use crate::mean::Mean;

/// Counts steps and tokens between two reports.
pub struct Window {
    monitor: Monitor,
    since_report: monitor::Window,
    since_step: monitor::Window,
    loss: Mean,
    smooth: Option<Smooth>,
}

/// Means that forget.
#[derive(Clone, Copy)]
struct Smooth {
    /// Losses of targets, and targets.
    loss: (f64, f64),
    /// Seconds a step, targets a step.
    rate: (f64, f64),
}

/// The means of a window.
pub struct Means {
    /// Loss of a target; NaN without one.
    pub loss: f64,
    /// Steps a second.
    pub steps_per_second: f64,
    /// Targets a second.
    pub targets_per_second: f64,
}

/// The values of a report beside the loss.
pub struct Reading {
    /// The means since the last report.
    pub means: Means,
    /// Largest use of memory so far, in bytes.
    pub peak: usize,
    /// Use of memory now, in bytes.
    pub active: usize,
    /// The share of time in which the GPU works, if known.
    pub gpu_utilization: Option<f64>,
}

impl Window {
    /// An empty window; time runs from now.
    pub fn new(monitor: Monitor) -> Window {
        monitor.skip();
        Window {
            since_report: monitor.window(),
            since_step: monitor.window(),
            monitor,
            loss: Mean::default(),
            smooth: None,
        }
    }

    /// Leaves out the time since the last step: something else than training happened.
    pub fn skip(&mut self) {
        self.monitor.skip();
    }

    /// Records the number of all steps that were left out.
    pub fn left_out(&mut self, total: u32) -> Result<()> {
        self.monitor.set("skipped_steps", f64::from(total))?;
        Ok(())
    }

    /// True if there was no target since the last report.
    pub fn is_empty(&self) -> bool {
        self.loss.targets() == 0
    }

    /// Records a step of the optimiser on `batches` batches, which count as steps here. Returns smoothed means: loss,
    /// steps a second, targets a second. Without targets there is no loss.
    pub fn step(&mut self, loss: f64, targets: usize, batches: u64) -> Result<Means> {
        self.monitor.step(targets as u64);
        for _ in 1..batches {
            self.monitor.step(0);
        }
        if targets > 0 {
            self.monitor.set("train_loss", loss)?;
            self.loss.add(loss, targets);
        }
        let n = batches as f64;
        let seconds = self.since_step.read().seconds.max(1e-9);
        let many = targets as f64;
        let now = Smooth {
            loss: (if targets > 0 { loss * many } else { 0.0 }, many),
            rate: (seconds / n, many / n),
        };
        let mix = |old: (f64, f64), new: (f64, f64)| {
            (0.9 * old.0 + 0.1 * new.0, 0.9 * old.1 + 0.1 * new.1)
        };
        let smooth = self.smooth.map_or(now, |old| Smooth {
            loss: mix(old.loss, now.loss),
            rate: mix(old.rate, now.rate),
        });
        self.smooth = Some(smooth);
        let Smooth { loss, rate } = smooth;
        Ok(Means {
            loss: loss.0 / loss.1,
            steps_per_second: 1.0 / rate.0,
            targets_per_second: rate.1 / rate.0,
        })
    }

    /// The means since the last report, which restart, and a sample of now.
    pub fn report(&mut self) -> Result<Reading> {
        let rates = self.since_report.read();
        let loss = std::mem::take(&mut self.loss).value().unwrap_or(f64::NAN);
        let sample = self.monitor.sample()?;
        Ok(Reading {
            means: Means {
                loss,
                steps_per_second: rates.steps_per_second,
                targets_per_second: rates.tokens_per_second,
            },
            peak: sample.peak,
            active: sample.active,
            gpu_utilization: sample.gpu.and_then(|g| g.utilization),
        })
    }
}
