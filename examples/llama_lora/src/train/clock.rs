//! Time and tokens: since the last report, and smoothed for the bar. The monitor counts; what it knows is served
//! where `--metrics-port` asks for it.

use anyhow::Result;
use mlx_runtime::monitor::{self, Monitor};

/// Counts what happens between two reports.
pub struct Window {
    monitor: Monitor,
    since_report: monitor::Window,
    since_step: monitor::Window,
    loss: f64,
    steps: u64,
    smooth: Option<(f64, f64, f64)>,
}

/// The means of a window.
pub struct Means {
    /// Loss of a step.
    pub loss: f64,
    /// Steps a second.
    pub steps_per_second: f64,
    /// Targets a second.
    pub targets_per_second: f64,
}

/// What a report says beside the loss.
pub struct Reading {
    /// The means since the last report.
    pub means: Means,
    /// Largest use of memory so far, in bytes.
    pub peak: usize,
    /// Use of memory now, in bytes.
    pub active: usize,
    /// The share of time in which the GPU works, where that is known.
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
            loss: 0.0,
            steps: 0,
            smooth: None,
        }
    }

    /// Leaves out the time since the last step: something else than training happened.
    pub fn skip(&mut self) {
        self.monitor.skip();
    }

    /// So many steps were left out in all.
    pub fn left_out(&mut self, total: u32) -> Result<()> {
        self.monitor.set("skipped_steps", f64::from(total))?;
        Ok(())
    }

    /// Whether there was no step since the last report.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// After a step of the optimiser on so many batches, which count as steps here. Smoothed: loss, steps a second,
    /// targets a second.
    pub fn step(&mut self, loss: f64, targets: usize, batches: u64) -> Result<Means> {
        self.monitor.step(targets as u64);
        for _ in 1..batches {
            self.monitor.step(0);
        }
        self.monitor.set("train_loss", loss)?;
        let n = batches as f64;
        let seconds = self.since_step.read().seconds.max(1e-9);
        self.loss += loss * n;
        self.steps += batches;
        let now = (loss, seconds / n, targets as f64 / n);
        let (l, s, t) = match self.smooth {
            None => now,
            Some((l, s, t)) => (
                0.9 * l + 0.1 * now.0,
                0.9 * s + 0.1 * now.1,
                0.9 * t + 0.1 * now.2,
            ),
        };
        self.smooth = Some((l, s, t));
        Ok(Means {
            loss: l,
            steps_per_second: 1.0 / s,
            targets_per_second: t / s,
        })
    }

    /// The means since the last report, which begin anew, and a sample of now.
    pub fn report(&mut self) -> Result<Reading> {
        let rates = self.since_report.read();
        let loss = self.loss / self.steps.max(1) as f64;
        (self.loss, self.steps) = (0.0, 0);
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
