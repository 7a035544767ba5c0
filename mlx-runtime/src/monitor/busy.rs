//! Measures the mean utilisation of a GPU.
//!
//! Tests: unit tests below.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::periodic::Periodic;
use super::{gpu, locked, Monitor};
use crate::Result;

/// NVML's figure is about the time before it is read, up to a second.
const BEFORE: Duration = Duration::from_secs(1);

/// Reads a GPU's utilisation until dropped, from [`Monitor::watch_gpu`].
#[derive(Debug)]
#[must_use = "it reads until it is dropped"]
pub struct GpuWatch {
    mean: Arc<Mutex<Mean>>,
    _thread: Option<Periodic>,
}

/// The mean of the readings.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
    /// A value that was read too early to be about the time watched.
    early: Option<f64>,
}

impl Mean {
    fn add(&mut self, value: f64, after: Duration) {
        if after < BEFORE {
            self.early = Some(value);
        } else {
            self.sum += value;
            self.count += 1;
        }
    }

    fn value(&self) -> Option<f64> {
        match self.count {
            0 => self.early,
            n => Some(self.sum / f64::from(n)),
        }
    }
}

impl GpuWatch {
    pub(super) fn start(monitor: Monitor, interval: Duration) -> Result<Self> {
        let mean = Arc::new(Mutex::new(Mean::default()));
        let readable = monitor.0.gpu.as_ref().and_then(gpu::Reader::read);
        if readable.and_then(|g| g.utilization).is_none() {
            return Ok(GpuWatch {
                mean,
                _thread: None,
            });
        }
        let (inner, start) = (Arc::clone(&mean), Instant::now());
        let thread = Periodic::start(interval, move || {
            let sample = monitor.0.gpu.as_ref().and_then(gpu::Reader::read);
            if let Some(busy) = sample.and_then(|g| g.utilization) {
                locked(&inner).add(busy, start.elapsed());
            }
        })?;
        Ok(GpuWatch {
            mean,
            _thread: Some(thread),
        })
    }

    /// The mean so far, from 0 to 1; `None` if nothing can be read, or was yet. A value from the first second counts
    /// only while there is no other, because it is about the time before.
    pub fn mean(&self) -> Option<f64> {
        locked(&self.mean).value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_second_is_about_what_was_before() {
        let mut mean = Mean::default();
        assert_eq!(mean.value(), None);
        mean.add(0.1, Duration::from_millis(200));
        mean.add(0.2, Duration::from_millis(900));
        assert_eq!(mean.value(), Some(0.2));
        mean.add(0.9, Duration::from_millis(1100));
        mean.add(1.0, Duration::from_millis(1300));
        assert_eq!(mean.value(), Some(0.95));
    }

    #[test]
    fn a_machine_without_a_gpu_has_no_mean_and_no_thread() {
        let monitor = Monitor::new().unwrap();
        let watch = monitor.watch_gpu(Duration::from_millis(1)).unwrap();
        if monitor.sample().unwrap().gpu.is_none() {
            assert!(watch.mean().is_none() && watch._thread.is_none());
        }
    }
}
