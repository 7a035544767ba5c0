//! Ctrl-C: the step that runs is finished and saved; a second Ctrl-C ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use anyhow::{Context, Result};

/// Whether someone asked the run to stop.
#[derive(Clone, Default)]
pub struct Stop(Arc<Flags>);

#[derive(Default)]
struct Flags {
    asked: AtomicBool,
    /// Steps are being taken, so that there is something to finish and to save.
    training: AtomicBool,
}

impl Stop {
    /// Listens to Ctrl-C (and SIGTERM) from now on. Once in a process.
    pub fn on_ctrl_c() -> Result<Stop> {
        let stop = Stop::default();
        let flags = Arc::clone(&stop.0);
        ctrlc::set_handler(move || {
            let training = flags.training.load(Ordering::SeqCst);
            if !training || flags.asked.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            eprintln!("stopping after this step (again: stop now, without saving)");
        })
        .context("cannot listen to Ctrl-C")?;
        Ok(stop)
    }

    /// Asks the run to stop.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Says whether steps are being taken now.
    pub fn training(&self, now: bool) {
        self.0.training.store(now, Ordering::SeqCst);
    }
}
