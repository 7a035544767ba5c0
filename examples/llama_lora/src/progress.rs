//! Progress output of a run: a bar on a terminal, plain lines elsewhere. Everything goes to stderr.
//!
//! Tests: unit tests below.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::metrics::{TrainReport, ValidReport};
use crate::output;

/// The display of a training run.
pub struct Progress {
    /// `None` if stderr is no terminal.
    bar: Option<ProgressBar>,
    total: u64,
}

/// Numbers that change with every step.
pub struct Live {
    /// Steps done.
    pub step: u64,
    /// Loss, smoothed.
    pub loss: f64,
    /// Steps a second, smoothed.
    pub steps_per_second: f64,
    /// Targets a second, smoothed.
    pub tokens_per_second: f64,
    /// Memory in use, in bytes.
    pub memory: u64,
}

const BAR: &str = "{bar:24} {pos}/{len} {msg}";

impl Progress {
    /// A display of `total` steps, of which `done` are done.
    pub fn new(total: u64, done: u64) -> Progress {
        let shown = std::io::stderr().is_terminal() && !output::is_mute();
        let bar = shown.then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_position(done);
            bar
        });
        Progress { bar, total }
    }

    /// Shows a line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => output::note(text),
        }
    }

    /// Updates the display after a step.
    pub fn step(&self, live: &Live) {
        let Some(bar) = &self.bar else { return };
        let left = (self.total.saturating_sub(live.step)) as f64 / live.steps_per_second.max(1e-9);
        // There is no loss before the first target.
        let loss = match live.loss.is_nan() {
            true => "-".to_owned(),
            false => format!("{:.3}", live.loss),
        };
        bar.set_message(format!(
            "loss {loss} · {:.0} tok/s · {:.2} steps/s · {:.2} GB · ETA {}",
            live.tokens_per_second,
            live.steps_per_second,
            live.memory as f64 / 1e9,
            clock(left),
        ));
        bar.set_position(live.step);
    }

    /// While the valid split is measured.
    pub fn measuring(&self, done: usize, of: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("measuring on the valid split: {done}/{of} batches"));
        }
    }

    /// A report of training.
    pub fn train(&self, r: &TrainReport) {
        let left =
            self.total.saturating_sub(r.iteration) as f64 / r.iterations_per_second.max(1e-9);
        let busy = r
            .gpu_utilization
            .map(|u| format!(", GPU {:.0} %", u * 100.0));
        let busy = busy.unwrap_or_default();
        self.line(&format!(
            "step {:>5}/{}: train loss {:.3}, {:.0} tok/s, {:.2} steps/s, peak {:.2} GB{busy}, ETA {}",
            r.iteration,
            self.total,
            r.train_loss,
            r.tokens_per_second,
            r.iterations_per_second,
            r.peak_memory,
            clock(left),
        ));
    }

    /// A report of an evaluation.
    pub fn valid(&self, r: &ValidReport) {
        self.line(&format!(
            "step {:>5}/{}: valid loss {:.3} ({:.1} s)",
            r.iteration, self.total, r.val_loss, r.val_time
        ));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A counter of things that each take a while, for `eval` and the demonstration.
pub struct Counter(Option<ProgressBar>);

impl Counter {
    /// Shows `what` and a bar of `total` on a terminal; elsewhere nothing.
    pub fn new(what: &str, total: usize) -> Counter {
        Counter(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64).with_message(what.to_owned());
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        }))
    }

    /// Moves to `done`.
    pub fn set(&self, done: usize) {
        if let Some(bar) = &self.0 {
            bar.set_position(done as u64);
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Seconds as `m:ss` or `h:mm:ss`.
pub fn clock(seconds: f64) -> String {
    let s = seconds.clamp(0.0, 359_999.0).round() as u64;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        h => format!("{h}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn clocks() {
        assert_eq!(clock(0.2), "0:00");
        assert_eq!(clock(75.0), "1:15");
        assert_eq!(clock(3_675.0), "1:01:15");
        assert_eq!(clock(f64::INFINITY), "99:59:59");
        assert_eq!(clock(f64::NAN), "0:00");
    }
}
