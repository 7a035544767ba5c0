//! The report of `bench`, as text and as JSON.
//!
//! Tests: `tests/synth.rs`.

use std::fmt;

use serde::Serialize;

use super::floor::Floor;
use crate::advice::size;

/// The figures of a run of `bench`. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)] // the names say it; the units are above
pub struct Report {
    pub model: String,
    pub device: String,
    pub mlx: String,
    pub dtype: String,
    /// 16 stands for unpacked.
    pub bits: i32,
    pub batch_size: usize,
    pub tokens: usize,
    pub grad_checkpoint: String,
    /// Layers that run again in the backward pass, of `layers`.
    pub layers_again: usize,
    pub layers: usize,
    pub pipeline: bool,
    pub steps: usize,
    pub warmup: usize,
    pub median_ms: f64,
    pub min_ms: f64,
    pub first_step_ms: f64,
    pub steps_per_second: f64,
    pub tokens_per_second: f64,
    /// The mean share of time in which the GPU worked, over the steps that were timed; NVML's figure.
    pub gpu_utilization: Option<f64>,
    /// The most that was in use at one time, over the steps that were timed.
    pub peak_bytes: usize,
    pub predicted_peak_bytes: usize,
    /// The most that was in use at one time while the model was made or read.
    pub load_peak_bytes: usize,
    pub load_seconds: f64,
    pub weights_bytes: usize,
    /// Operations in the step's graph, views included.
    pub operations: usize,
    /// The number of kernels that a CPU runs. Nothing counts them on a GPU.
    pub kernels: Option<usize>,
    /// The least time on this device, if its peak is known.
    pub floor: Option<Floor>,
    /// Floor by median: 1 is the best there can be.
    pub share_of_floor: Option<f64>,
    /// Losses of the first steps, ten at most.
    pub losses: Vec<f32>,
    /// Figures of several ranks; batch, tokens and losses are those of all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<RanksFigures>,
}

/// The figures of several ranks.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)] // as above
pub struct RanksFigures {
    /// `peak_bytes` of each rank.
    pub peak_bytes: Vec<usize>,
    /// Gradients that a step reduces.
    pub reduced_bytes: usize,
    /// Pieces in which they are reduced.
    pub buckets: usize,
    /// Time of the reduction alone.
    pub reduce_ms: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = match self.bits {
            16 => String::new(),
            bits => format!(", weights in {bits} bits"),
        };
        writeln!(
            f,
            "{} on {}, {} x {} tokens, {}{}, MLX {}",
            self.model, self.device, self.batch_size, self.tokens, self.dtype, packed, self.mlx
        )?;
        writeln!(
            f,
            "step   median {:.2} ms, fastest {:.2} ms, first {:.0} ms ({} steps after {})",
            self.median_ms, self.min_ms, self.first_step_ms, self.steps, self.warmup
        )?;
        let busy = self
            .gpu_utilization
            .map(|u| format!(", GPU {:.0} % busy", u * 100.0))
            .unwrap_or_default();
        writeln!(
            f,
            "speed  {:.2} steps/s, {:.0} tokens/s{busy}",
            self.steps_per_second, self.tokens_per_second
        )?;
        writeln!(
            f,
            "memory peak {}, predicted {}; loading took {} and {:.1} s; weights {}",
            size(self.peak_bytes),
            size(self.predicted_peak_bytes),
            size(self.load_peak_bytes),
            self.load_seconds,
            size(self.weights_bytes)
        )?;
        writeln!(
            f,
            "graph  {} operations{}; {} of {} layers run again ({})",
            self.operations,
            self.kernels
                .map_or(String::new(), |k| format!(", {k} kernels")),
            self.layers_again,
            self.layers,
            self.grad_checkpoint
        )?;
        if let (Some(floor), Some(share)) = (&self.floor, self.share_of_floor) {
            writeln!(
                f,
                "floor  {:.2} ms (weights {:.2}, products {:.2}): {:.0} % of it is reached",
                floor.ms,
                floor.memory_ms,
                floor.compute_ms,
                100.0 * share
            )?;
        }
        if let Some(ranks) = &self.ranks {
            let peaks: Vec<String> = ranks.peak_bytes.iter().map(|b| size(*b)).collect();
            writeln!(
                f,
                "ranks  {}, peaks {}; gradients of {} are summed in {} pieces (alone {:.2} ms)",
                ranks.peak_bytes.len(),
                peaks.join(", "),
                size(ranks.reduced_bytes),
                ranks.buckets,
                ranks.reduce_ms
            )?;
        }
        let losses: Vec<String> = self.losses.iter().map(|l| format!("{l:.5}")).collect();
        write!(f, "losses {}", losses.join(" "))
    }
}
