//! Counts steps, tokens and time.
//!
//! Tests: `tests/monitor.rs`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Monitor;

/// The source of time.
pub(super) enum Clock {
    Since(Instant),
    Given(Box<dyn Fn() -> Duration + Send + Sync>),
}

impl Clock {
    pub fn start() -> Self {
        Clock::Since(Instant::now())
    }

    pub fn given(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Clock::Given(Box::new(clock))
    }

    fn now(&self) -> Duration {
        match self {
            Clock::Since(start) => start.elapsed(),
            Clock::Given(clock) => clock(),
        }
    }

    /// 584 years fit.
    fn nanos(&self) -> u64 {
        u64::try_from(self.now().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The counters of [`Monitor::step`]. They are not updated together, so they may be read a step apart.
#[derive(Debug)]
pub(super) struct Counters {
    clock: Clock,
    steps: AtomicU64,
    tokens: AtomicU64,
    /// When the last step ended, and how long all steps took, in nanoseconds.
    last: AtomicU64,
    busy: AtomicU64,
}

impl Counters {
    pub fn new(clock: Clock) -> Self {
        Counters {
            last: clock.nanos().into(),
            clock,
            steps: 0.into(),
            tokens: 0.into(),
            busy: 0.into(),
        }
    }

    #[inline]
    pub fn step(&self, tokens: u64) {
        let now = self.clock.nanos();
        let last = self.last.swap(now, Relaxed);
        self.busy.fetch_add(now.saturating_sub(last), Relaxed);
        self.tokens.fetch_add(tokens, Relaxed);
        self.steps.fetch_add(1, Relaxed);
    }

    pub fn skip(&self) {
        self.last.store(self.clock.nanos(), Relaxed);
    }

    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    pub fn steps(&self) -> u64 {
        self.steps.load(Relaxed)
    }

    pub fn tokens(&self) -> u64 {
        self.tokens.load(Relaxed)
    }

    fn busy(&self) -> u64 {
        self.busy.load(Relaxed)
    }
}

/// The steps since a moment, for reports: each [`Window::read`] restarts the window. Time that [`Monitor::skip`] leaves
/// out does not count.
#[derive(Debug)]
pub struct Window {
    monitor: Monitor,
    steps: u64,
    tokens: u64,
    busy: u64,
}

/// Steps and tokens of a [`Window`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rates {
    /// Steps.
    pub steps: u64,
    /// Tokens of those steps.
    pub tokens: u64,
    /// The seconds that they took.
    pub seconds: f64,
    /// Steps a second.
    pub steps_per_second: f64,
    /// Tokens a second.
    pub tokens_per_second: f64,
}

impl Window {
    pub(super) fn new(monitor: Monitor) -> Self {
        let mut window = Window {
            monitor,
            steps: 0,
            tokens: 0,
            busy: 0,
        };
        window.read();
        window
    }

    /// The steps since the window was made or read.
    pub fn read(&mut self) -> Rates {
        let c = &self.monitor.0.counters;
        let (steps, tokens, busy) = (c.steps(), c.tokens(), c.busy());
        let seconds = (busy - self.busy) as f64 / 1e9;
        let rate = |n: u64| {
            if seconds > 0.0 {
                n as f64 / seconds
            } else {
                0.0
            }
        };
        let (new_steps, new_tokens) = (steps - self.steps, tokens - self.tokens);
        (self.steps, self.tokens, self.busy) = (steps, tokens, busy);
        Rates {
            steps: new_steps,
            tokens: new_tokens,
            seconds,
            steps_per_second: rate(new_steps),
            tokens_per_second: rate(new_tokens),
        }
    }
}
