//! Runs a function at an interval, on a new thread.
//!
//! Tests: `tests/monitor.rs`.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::locked;
use crate::{Error, ErrorKind, Result};

/// Ends the thread, and waits for it, when dropped.
#[derive(Debug)]
pub(super) struct Periodic {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Periodic {
    /// Calls `f` after each interval.
    pub fn start(interval: Duration, mut f: impl FnMut() + Send + 'static) -> Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let inner = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("mlx-monitor".to_owned())
            .spawn(move || {
                while wait(&inner, interval) {
                    f();
                }
            })
            .map_err(|e| {
                Error::new(
                    ErrorKind::Io,
                    format!("cannot start a thread for the monitor: {e}"),
                )
                .with_source(e)
            })?;
        Ok(Periodic {
            stop,
            thread: Some(thread),
        })
    }
}

/// Returns true if the interval passed before a request to stop.
fn wait(stop: &(Mutex<bool>, Condvar), interval: Duration) -> bool {
    let mut stopped = locked(&stop.0);
    let until = Instant::now().checked_add(interval);
    while !*stopped {
        let left = until.map(|u| u.saturating_duration_since(Instant::now()));
        // An interval beyond the end of time waits an hour at a time.
        let left = left.unwrap_or(Duration::from_secs(3600));
        if left.is_zero() {
            return true;
        }
        let waited = stop.1.wait_timeout(stopped, left);
        stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    false
}

impl Drop for Periodic {
    fn drop(&mut self) {
        *locked(&self.stop.0) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported.
            let _ = thread.join();
        }
    }
}
