//! Progress output of a run: a bar on a terminal, plain lines elsewhere. Everything goes to stderr.
//!
//! Tests: unit tests below.

use std::io::IsTerminal;
use std::time::Duration;

use console::{style, Term};
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

const BAR: &str = "{bar:24} {pos}/{len} {wide_msg}";

impl Progress {
    /// A display of `total` steps, of which `done` are done.
    pub fn new(total: u64, done: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
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
        let mut fields = vec![
            self.at(r.iteration),
            format!("train loss {:>8.3}", r.train_loss),
            format!("lr {:<8}", format!("{:.2e}", r.learning_rate)),
            format!("{:>7.0} tok/s", r.tokens_per_second),
            format!("{:>9} tokens", r.trained_tokens),
            format!("{:>6.2} GB{busy}", r.peak_memory),
        ];
        if let (Some(accuracy), Some(margin)) = (r.reward_accuracy, r.reward_margin) {
            fields.insert(
                2,
                format!(
                    "told apart {:>3.0} %, margin {margin:>7.3}",
                    100.0 * accuracy
                ),
            );
        }
        fields.push(format!("ETA {}", clock(left)));
        self.row(&fields);
    }

    /// A report of an evaluation.
    pub fn valid(&self, r: &ValidReport) {
        let mut fields = vec![
            self.at(r.iteration),
            format!("valid loss {:>8.3}", r.val_loss),
        ];
        if let (Some(accuracy), Some(margin)) = (r.reward_accuracy, r.reward_margin) {
            fields.push(format!(
                "told apart {:>3.0} %, margin {margin:>7.3}",
                100.0 * accuracy
            ));
        }
        fields.push(format!("{:.1} s", r.val_time));
        self.row(&fields);
    }

    fn at(&self, iteration: u64) -> String {
        let wide = self.total.to_string().len().max(5);
        format!("step {iteration:>wide$}/{}", self.total)
    }

    /// A line of columns, of which a narrow terminal shows the first ones. The losses stand out, where there are colours.
    fn row(&self, fields: &[String]) {
        let width = columns();
        let mut line = String::new();
        let mut used = 0;
        for (i, field) in fields.iter().enumerate() {
            let more = field.chars().count() + 2;
            if i > 1 && used + more > width {
                break;
            }
            used += more;
            let shown = match i {
                1 => style(field).for_stderr().bold(),
                _ => style(field).for_stderr().dim(),
            };
            line += &format!("{}{shown}", if i > 0 { "  " } else { "" });
        }
        self.line(&line);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The columns of the terminal; where there is none, as many as it takes.
pub fn columns() -> usize {
    let term = Term::stderr();
    match term.is_term() {
        true => usize::from(term.size().1).max(20),
        false => usize::MAX,
    }
}

/// Something that takes a while, on a terminal.
pub struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Shows `what` until it is dropped.
    pub fn new(what: &str) -> Spinner {
        Spinner(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
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
