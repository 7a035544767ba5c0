//! Handles signals: the first lets a run finish the step and save; a second Ctrl-C ends the program at once.
//!
//! Tests: `tests/interruptions.rs`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use signal_hook::consts::signal as signals;
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use super::Claim;
use crate::output;

/// Signals that would end the program unsaved and may be caught.
const ASKING: [i32; 10] = [
    signals::SIGHUP,
    signals::SIGINT,
    signals::SIGQUIT,
    signals::SIGTERM,
    signals::SIGUSR1,
    signals::SIGUSR2,
    signals::SIGALRM,
    signals::SIGVTALRM,
    signals::SIGPROF,
    signals::SIGXCPU,
];

/// A flag that a signal sets to ask the run to stop.
#[derive(Clone, Default)]
pub struct Stop(Arc<Flags>);

#[derive(Default)]
struct Flags {
    /// The last signal that asked to stop, 0 if none did.
    asked: Arc<AtomicUsize>,
    /// A signal has come that neither the run nor the thread of signals has looked at.
    unseen: Arc<AtomicBool>,
    /// True if the run checks `asked`; otherwise there is nothing to finish and to save.
    training: AtomicBool,
    claim: Mutex<Option<Claim>>,
}

impl Flags {
    fn claim(&self) -> std::sync::MutexGuard<'_, Option<Claim>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that grows past the process's limit (`ulimit -f`) is an error of the write from now on and not a signal.
pub fn ignore_file_size_signal() -> Result<()> {
    flag::register(signals::SIGXFSZ, Arc::default()).context("cannot handle SIGXFSZ")?;
    Ok(())
}

impl Stop {
    /// Listens to signals from now on. Once in a process.
    pub fn on_signals() -> Result<Stop> {
        let stop = Stop::default();
        stop.listen().context("cannot listen to signals")?;
        Ok(stop)
    }

    fn listen(&self) -> std::io::Result<()> {
        // A run under nohup outlives its terminal.
        let kept = ASKING.iter().copied();
        let kept: Vec<i32> = kept
            .filter(|&s| s != signals::SIGHUP || !ignored(s))
            .collect();
        // The handler itself ends the program, whatever other threads do. `_exit` runs no destructors of C++, which
        // MLX's threads would not survive. Shells and service managers may send other signals twice for one wish.
        let interrupted = Arc::<AtomicBool>::default();
        let code = 128 + signals::SIGINT;
        flag::register_conditional_shutdown(signals::SIGINT, code, Arc::clone(&interrupted))?;
        flag::register(signals::SIGINT, interrupted)?;
        for &signal in &kept {
            flag::register_usize(signal, Arc::clone(&self.0.asked), signal as usize)?;
            flag::register(signal, Arc::clone(&self.0.unseen))?;
        }
        let mut signals = Signals::new(kept)?;
        let flags = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || {
            for signal in signals.forever() {
                // The claim is held so that no run begins to train, or claims a folder, while the program ends.
                let mut claim = flags.claim();
                let unseen = flags.unseen.swap(false, Ordering::SeqCst);
                if !flags.training.load(Ordering::SeqCst) {
                    if !unseen {
                        // The run has stopped and saved because of it.
                        continue;
                    }
                    drop(claim.take());
                    low_level::exit(128 + signal);
                }
                drop(claim);
                output::note("stopping after this step (Ctrl-C: stop now, without saving)");
            }
        })?;
        Ok(())
    }

    /// Asks the run to stop.
    pub fn ask(&self) {
        self.ask_as(signals::SIGTERM as usize);
    }

    /// As [`Stop::ask`], because of a signal that another rank has got.
    pub fn ask_as(&self, signal: usize) {
        self.0.asked.store(signal, Ordering::SeqCst);
    }

    /// The last signal that asked to stop, 0 if none did.
    pub fn signal(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Gives the folder up and ends the program at once, whatever its other threads do.
    pub fn leave(&self, code: u8) -> ! {
        drop(self.0.claim().take());
        low_level::exit(code.into())
    }

    /// Returns true if the run should stop.
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst) != 0
    }

    /// The exit code of a run that was stopped before it had anything to save.
    pub fn code(&self) -> u8 {
        128 + self.0.asked.load(Ordering::SeqCst) as u8
    }

    /// Sets if the run checks [`Stop::asked`] now; otherwise a signal ends the program.
    pub fn training(&self, now: bool) {
        let _claim = self.0.claim();
        self.0.training.store(now, Ordering::SeqCst);
        if !now {
            self.0.unseen.store(false, Ordering::SeqCst);
        }
    }

    /// Records that a step was taken. From then on, the folder's earlier files are not put back.
    pub fn begun(&self) {
        if let Some(claim) = self.0.claim().as_mut() {
            claim.begun();
        }
    }

    /// Makes a claim, and keeps it until the result is dropped, or until a signal ends the program.
    pub fn hold(&self, claim: impl FnOnce() -> Result<Claim>) -> Result<Held<'_>> {
        // A signal that comes now waits for the claim, and then gives it up.
        let mut held = self.0.claim();
        *held = Some(claim()?);
        Ok(Held(self))
    }
}

/// Gives the claim up when dropped.
#[must_use = "the folder is free when it is dropped"]
pub struct Held<'a>(&'a Stop);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        drop(self.0 .0.claim().take());
    }
}

/// True if the program was started with this signal ignored. Known on Linux only.
fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    mask.is_some_and(|m| m >> (signal - 1) & 1 == 1)
}
