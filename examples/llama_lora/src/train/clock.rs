//! Time and tokens: since the last report, and smoothed for the bar.

use std::time::Instant;

/// Counts what happens between two reports.
pub struct Window {
    loss: f64,
    steps: u64,
    targets: u64,
    seconds: f64,
    since: Instant,
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

impl Window {
    /// An empty window; time runs from now.
    pub fn new() -> Window {
        Window {
            loss: 0.0,
            steps: 0,
            targets: 0,
            seconds: 0.0,
            since: Instant::now(),
            smooth: None,
        }
    }

    /// Leaves out the time since the last step: something else than training happened.
    pub fn skip(&mut self) {
        self.since = Instant::now();
    }

    /// Whether there was no step since the last report.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// After a step. Smoothed: loss, steps a second, targets a second.
    pub fn step(&mut self, loss: f64, targets: usize) -> Means {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        self.since = Instant::now();
        self.loss += loss;
        self.steps += 1;
        self.targets += targets as u64;
        self.seconds += seconds;
        let now = (loss, seconds, targets as f64);
        let (l, s, t) = match self.smooth {
            None => now,
            Some((l, s, t)) => (
                0.9 * l + 0.1 * now.0,
                0.9 * s + 0.1 * now.1,
                0.9 * t + 0.1 * now.2,
            ),
        };
        self.smooth = Some((l, s, t));
        Means {
            loss: l,
            steps_per_second: 1.0 / s,
            targets_per_second: t / s,
        }
    }

    /// The means since the last report, which begin anew.
    pub fn report(&mut self) -> Means {
        let steps = self.steps.max(1) as f64;
        let seconds = self.seconds.max(1e-9);
        let means = Means {
            loss: self.loss / steps,
            steps_per_second: self.steps as f64 / seconds,
            targets_per_second: self.targets as f64 / seconds,
        };
        (self.loss, self.steps, self.targets, self.seconds) = (0.0, 0, 0, 0.0);
        means
    }
}
