//! Samples as events of [`tracing`].

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{locked, Monitor, Sample};
use crate::{Error, ErrorKind, Result};

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
pub struct Tracing {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Tracing {
    pub(super) fn start(monitor: Monitor, interval: Duration) -> Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let inner = Arc::clone(&stop);
        // A subscriber may be one of this thread only.
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let body = move || {
            tracing::dispatcher::with_default(&dispatch, || run(&monitor, interval, &inner))
        };
        let thread = std::thread::Builder::new()
            .name("mlx-monitor".to_owned())
            .spawn(body)
            .map_err(|e| {
                Error::new(ErrorKind::Io, format!("no thread for the monitor: {e}")).with_source(e)
            })?;
        Ok(Tracing {
            stop,
            thread: Some(thread),
        })
    }
}

fn run(monitor: &Monitor, interval: Duration, stop: &(Mutex<bool>, Condvar)) {
    let mut stopped = locked(&stop.0);
    loop {
        let until = Instant::now().checked_add(interval);
        while !*stopped {
            let left = until.map(|u| u.saturating_duration_since(Instant::now()));
            // An interval beyond the end of time waits an hour at a time.
            let left = left.unwrap_or(Duration::from_secs(3600));
            if left.is_zero() {
                break;
            }
            let waited = stop.1.wait_timeout(stopped, left);
            stopped = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        if *stopped {
            return;
        }
        drop(stopped);
        if let Err(e) = monitor.trace() {
            tracing::warn!(target: "mlx_runtime::monitor", "no sample: {e}");
        }
        stopped = locked(&stop.0);
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        *locked(&self.stop.0) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A subscriber that panicked has said so.
            let _ = thread.join();
        }
    }
}
