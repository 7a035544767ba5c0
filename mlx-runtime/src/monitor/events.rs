//! Emits samples as events of [`tracing`].
//!
//! Tests: `tests/monitor.rs`.

use std::time::Duration;

use super::periodic::Periodic;
use super::{Monitor, Sample};
use crate::Result;

/// One event. A field that is `None` is left out.
pub(super) fn emit(s: &Sample) {
    let gpu = s.gpu.as_ref();
    tracing::info!(
        target: "mlx_runtime::monitor",
        active_bytes = s.active,
        peak_bytes = s.peak,
        cache_bytes = s.cache,
        memory_limit_bytes = s.memory_limit,
        gpu_utilization = gpu.and_then(|g| g.utilization),
        gpu_memory_used_bytes = gpu.map(|g| g.memory_used),
        gpu_memory_total_bytes = gpu.map(|g| g.memory_total),
        recordings = s.recordings,
        steps = s.steps,
        tokens = s.tokens,
        steps_per_second = s.steps_per_second,
        tokens_per_second = s.tokens_per_second,
        "{s}"
    );
}

/// A thread that sends samples to [`tracing`], until dropped.
#[derive(Debug)]
#[must_use = "events stop when it is dropped"]
pub struct Tracing(#[allow(dead_code)] Periodic);

impl Tracing {
    pub(super) fn start(monitor: Monitor, interval: Duration) -> Result<Self> {
        // A subscriber may be one of this thread only.
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread = Periodic::start(interval, move || {
            tracing::dispatcher::with_default(&dispatch, || {
                if let Err(e) = monitor.trace() {
                    tracing::warn!(target: "mlx_runtime::monitor", "cannot take a sample: {e}");
                }
            });
        })?;
        Ok(Tracing(thread))
    }
}
