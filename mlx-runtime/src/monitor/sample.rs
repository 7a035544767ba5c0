//! The samples of a monitor.
//!
//! Tests: `tests/monitor.rs`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::runtime::size;

/// A moment. Memory is in bytes; MLX's numbers are of the whole process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sample {
    /// Seconds since the monitor was made, or by the given clock.
    pub seconds: f64,
    /// Bytes that arrays use.
    pub active: usize,
    /// The most bytes that arrays used.
    pub peak: usize,
    /// Bytes that are kept for reuse.
    pub cache: usize,
    /// MLX's memory limit.
    pub memory_limit: usize,
    /// The most bytes that are kept for reuse; `None` while MLX's own default holds, which MLX C does not expose.
    pub cache_limit: Option<usize>,
    /// Bytes that Metal keeps resident; `None` unless it was set.
    pub wired_limit: Option<usize>,
    /// The GPU; `None` on a CPU, and if nothing can be read.
    pub gpu: Option<GpuSample>,
    /// Graphs that compiled functions of this process recorded. Each stays in the compile cache until
    /// its function is dropped, so a number that keeps growing means too many different shapes.
    pub recordings: u64,
    /// Steps so far.
    pub steps: u64,
    /// Tokens so far.
    pub tokens: u64,
    /// Steps a second over the last ten seconds or a little more, pauses included.
    pub steps_per_second: f64,
    /// Tokens a second over the same time.
    pub tokens_per_second: f64,
    /// Numbers of the caller's, by name.
    pub gauges: BTreeMap<&'static str, f64>,
}

/// A GPU at a moment, all programs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GpuSample {
    /// The share of the last moments in which a kernel ran, from 0 to 1: NVML's figure, or that of Apple's driver.
    pub utilization: Option<f64>,
    /// Memory in use, in bytes; on Apple's chips, which share it with the machine, the part that MLX holds.
    pub memory_used: usize,
    /// Bytes of all of its memory.
    pub memory_total: usize,
}

impl fmt::Display for Sample {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "step {}, {:.2} steps/s, {:.0} tok/s, {} of {} in use (peak {}, cache {})",
            self.steps,
            self.steps_per_second,
            self.tokens_per_second,
            size(self.active),
            size(self.memory_limit),
            size(self.peak),
            size(self.cache)
        )?;
        if let Some(gpu) = &self.gpu {
            if let Some(busy) = gpu.utilization {
                write!(f, ", GPU {:.0} % busy", busy * 100.0)?;
            }
            let (used, total) = (size(gpu.memory_used), size(gpu.memory_total));
            write!(f, ", GPU memory {used} of {total}")?;
        }
        Ok(())
    }
}
