//! Writes `metrics.jsonl`: one JSON object for each report, under the names that mlx-lm's callbacks use.
//!
//! Tests: unit tests below.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::files::{read_text_within, write_atomic};
use crate::output;

/// The file in the adapter's folder.
pub const METRICS: &str = "metrics.jsonl";

/// A line of the file: a report of training, or of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// Mean over the steps since the last report.
    Train(TrainReport),
    /// Loss on the valid split.
    Valid(ValidReport),
}

/// A report of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Steps done.
    pub iteration: u64,
    /// Mean loss of the steps since the last report.
    pub train_loss: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Steps a second.
    pub iterations_per_second: f64,
    /// Targets a second.
    pub tokens_per_second: f64,
    /// Targets seen in the whole run.
    pub trained_tokens: u64,
    /// Largest use of memory so far, in GB.
    pub peak_memory: f64,
    /// Use of memory at the time of the report, in GB; the next step may already run.
    #[serde(default)]
    pub active_memory: f64,
    /// The share of time in which the GPU works, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_utilization: Option<f64>,
    /// Of pairs, the share of which the chosen answer has the higher reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_accuracy: Option<f64>,
    /// Of pairs, the mean difference of the rewards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_margin: Option<f64>,
    /// The ranks of the run, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranks: Option<RanksReport>,
}

/// A report of several ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RanksReport {
    /// Largest use of memory of each rank so far, in GB.
    pub peak_memory: Vec<f64>,
    /// Bytes of gradients that a step reduces over the ranks.
    pub reduced_bytes: usize,
    /// Pieces in which they are reduced.
    pub buckets: usize,
    /// Time of the reduction alone, measured before the first step, in milliseconds.
    pub reduce_ms: f64,
}

/// A report of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidReport {
    /// Steps done before it.
    pub iteration: u64,
    /// Mean loss of a target.
    pub val_loss: f64,
    /// Seconds that it took.
    pub val_time: f64,
    /// As [`TrainReport::reward_accuracy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_accuracy: Option<f64>,
    /// As [`TrainReport::reward_margin`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_margin: Option<f64>,
}

impl Record {
    /// Its values under the names that TensorBoard shows.
    pub fn scalars(&self) -> Vec<(&'static str, f64)> {
        let mut all = Vec::new();
        match self {
            Record::Train(r) => {
                all.extend([
                    ("train/loss", r.train_loss),
                    ("train/learning_rate", r.learning_rate),
                    ("train/iterations_per_second", r.iterations_per_second),
                    ("train/tokens_per_second", r.tokens_per_second),
                    ("train/trained_tokens", r.trained_tokens as f64),
                    ("train/peak_memory_gb", r.peak_memory),
                ]);
                all.extend(r.reward_accuracy.map(|x| ("train/reward_accuracy", x)));
                all.extend(r.reward_margin.map(|x| ("train/reward_margin", x)));
            }
            Record::Valid(r) => {
                all.extend([("valid/loss", r.val_loss), ("valid/seconds", r.val_time)]);
                all.extend(r.reward_accuracy.map(|x| ("valid/reward_accuracy", x)));
                all.extend(r.reward_margin.map(|x| ("valid/reward_margin", x)));
            }
        }
        all
    }

    /// Steps done when it was written.
    pub fn iteration(&self) -> u64 {
        match self {
            Record::Train(r) => r.iteration,
            Record::Valid(r) => r.iteration,
        }
    }
}

/// The file, and everything that is in it.
pub struct Metrics {
    path: PathBuf,
    /// `None` once a line could not be written.
    file: Option<File>,
    records: Vec<Record>,
}

impl Metrics {
    /// Keeps the reports of a run that another process writes.
    pub fn unwritten() -> Metrics {
        Metrics {
            path: PathBuf::new(),
            file: None,
            records: Vec::new(),
        }
    }

    /// Starts a new file, or keeps its lines up to the iteration `resumed` and appends to them.
    pub fn open(path: &Path, resumed: Option<u64>) -> Result<Metrics> {
        let mut records: Vec<Record> = Vec::new();
        if let Some(last) = resumed.filter(|_| path.exists()) {
            let old = read_text_within(path, 1 << 30)?;
            // A line that a crash cut short is no loss.
            records.extend(
                old.lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .filter(|r: &Record| r.iteration() <= last),
            );
        }
        let mut metrics = Metrics {
            path: path.to_owned(),
            file: None,
            records,
        };
        metrics.rewrite()?;
        Ok(metrics)
    }

    /// The reports in a file, to be looked at.
    pub fn read(path: &Path) -> Result<Metrics> {
        let text = read_text_within(path, 1 << 30)?;
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(Metrics {
            path: path.to_owned(),
            file: None,
            records: lines.collect(),
        })
    }

    /// Writes the whole file, and opens it for more lines.
    fn rewrite(&mut self) -> Result<()> {
        let mut text = String::new();
        for record in &self.records {
            text += &line(record)?;
        }
        write_atomic(&self.path, text.as_bytes())?;
        let file = File::options().append(true).open(&self.path);
        let file = file.with_context(|| format!("cannot write {}", self.path.display()))?;
        self.file = Some(file);
        Ok(())
    }

    /// Adds a line. If it cannot be written, the run goes on, and [`Metrics::catch_up`] writes it later.
    pub fn push(&mut self, record: Record) -> Result<()> {
        let line = line(&record)?;
        self.records.push(record);
        let written = self.file.as_mut().map(|f| f.write_all(line.as_bytes()));
        if let Some(Err(e)) = written {
            output::note(format_args!(
                "cannot write {}: {e}; training goes on, and the next save writes it again",
                self.path.display()
            ));
            self.file = None;
        }
        Ok(())
    }

    /// Writes the lines that could not be written when they were added.
    pub fn catch_up(&mut self) {
        if self.file.is_none() && !self.path.as_os_str().is_empty() {
            if let Err(e) = self.rewrite() {
                output::note(format_args!("{e:#}"));
            }
        }
    }

    /// Points of the training loss: (iteration, loss).
    pub fn train_curve(&self) -> Vec<(f64, f64)> {
        self.curve(|r| match r {
            Record::Train(r) => Some(r.train_loss),
            Record::Valid(_) => None,
        })
    }

    /// Points of the loss on the valid split.
    pub fn valid_curve(&self) -> Vec<(f64, f64)> {
        self.curve(|r| match r {
            Record::Valid(r) => Some(r.val_loss),
            Record::Train(_) => None,
        })
    }

    fn curve(&self, loss: impl Fn(&Record) -> Option<f64>) -> Vec<(f64, f64)> {
        self.records
            .iter()
            .filter_map(|r| Some((r.iteration() as f64, loss(r)?)))
            .filter(|(_, loss)| loss.is_finite())
            .collect()
    }
}

fn line(record: &Record) -> Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn valid(iteration: u64) -> Record {
        Record::Valid(ValidReport {
            iteration,
            val_loss: 1.0,
            val_time: 0.5,
            reward_accuracy: None,
            reward_margin: None,
        })
    }

    #[test]
    fn a_resumed_run_drops_what_was_not_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path, None).unwrap();
        for i in [0, 10, 20, 30] {
            metrics.push(valid(i)).unwrap();
        }
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"iteration\": 4")
            .unwrap();
        let mut metrics = Metrics::open(&path, Some(20)).unwrap();
        metrics.push(valid(25)).unwrap();
        let at: Vec<f64> = metrics.valid_curve().iter().map(|p| p.0).collect();
        assert_eq!(at, [0.0, 10.0, 20.0, 25.0]);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
        assert!(Metrics::open(&path, None).unwrap().valid_curve().is_empty());
    }
}
