//! Monitors a program that works with MLX: memory, GPU, steps and tokens per second.
//!
//! A program has one [`Monitor`]. [`Monitor::step`] counts a step, which costs some tens of nanoseconds.
//! [`Monitor::sample`] reads everything, which costs some microseconds on a CPU, and on a GPU the time of NVIDIA's
//! library. Samples are values; [`Monitor::trace_every`] makes events of [`tracing`] of them, with the feature
//! `serve`, `Monitor::serve` answers Prometheus on a local port.
//!
//! ```
//! use mlx_runtime::monitor::Monitor;
//! let monitor = Monitor::new()?;
//! let mut window = monitor.window();
//! for _ in 0..3 {
//!     // .. a training step on 2048 tokens ..
//!     monitor.step(2048);
//! }
//! assert_eq!(window.read().steps, 3);
//! let sample = monitor.sample()?;
//! assert_eq!((sample.steps, sample.tokens), (3, 6144));
//! assert!(sample.active <= sample.peak);
//! println!("{sample}");
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! GPU utilisation comes from NVML (feature `nvml`, a default), which is looked for when a monitor is made; without it
//! the value is absent. On Apple's chips utilisation is not read because `IOReport` is a private interface. MLX does
//! not tell the size of its compile cache, so [`Sample::recordings`] counts the recordings that went into it.
//!
//! Tests: `tests/monitor.rs`.

#[cfg(target_os = "macos")]
mod apple;
mod busy;
mod counters;
mod events;
mod gpu;
mod periodic;
mod sample;
#[cfg(feature = "serve")]
mod serve;
mod text;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use busy::GpuWatch;
pub use counters::{Rates, Window};
pub use events::Tracing;
pub use sample::{GpuSample, Sample};
#[cfg(feature = "serve")]
pub use serve::Server;

use counters::{Clock, Counters};

use crate::{memory, transforms, Error, Result};

/// Counts steps, and reads memory and GPU. Clones count together.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    counters: Counters,
    gpu: Option<gpu::Reader>,
    version: String,
    gauges: Mutex<BTreeMap<&'static str, f64>>,
    /// Time, steps and tokens of earlier samples, the oldest first.
    seen: Mutex<VecDeque<(Duration, u64, u64)>>,
}

/// Rates of a sample are means over that time, or a little more.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples closer together than that share a mark.
const APART: Duration = Duration::from_millis(100);

impl Monitor {
    /// A monitor of this process, and of the GPU that is MLX's default device now. Time runs from here.
    ///
    /// # Errors
    /// If MLX cannot tell its default device.
    pub fn new() -> Result<Self> {
        Self::with(Clock::start())
    }

    /// A monitor with a clock of the caller's: time since some start, never backwards.
    ///
    /// # Errors
    /// As [`Monitor::new`].
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Result<Self> {
        Self::with(Clock::given(clock))
    }

    fn with(clock: Clock) -> Result<Self> {
        let counters = Counters::new(clock);
        let start = (counters.now(), 0, 0);
        Ok(Monitor(Arc::new(Inner {
            counters,
            gpu: gpu::Reader::new(crate::device::default_device()?)?,
            version: crate::version()?,
            gauges: Mutex::default(),
            seen: Mutex::new(VecDeque::from([start])),
        })))
    }

    /// Counts a step on `tokens` tokens.
    #[inline]
    pub fn step(&self, tokens: u64) {
        self.0.counters.step(tokens);
    }

    /// Leaves the time since the last step out of a [`Window`]'s rates: something else than steps was
    /// done, such as an evaluation.
    pub fn skip(&self) {
        self.0.counters.skip();
    }

    /// Steps and tokens from here on.
    pub fn window(&self) -> Window {
        Window::new(self.clone())
    }

    /// Sets a number of the caller's, such as `train_loss`, which samples carry from then on.
    ///
    /// # Errors
    /// If the name is not one that Prometheus allows (letters, digits and `_`, no digit first), or begins with
    /// `mlx_` as this crate's own do.
    pub fn set(&self, name: &'static str, value: f64) -> Result<()> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let first = |c: char| !c.is_ascii_digit();
        if !name.chars().all(letters) || !name.starts_with(first) || name.starts_with("mlx_") {
            let text = format!("invalid name of a metric: {name:?}");
            return Err(Error::invalid("Monitor::set", text)
                .with_hint("use letters, digits and `_`, no digit first, and not `mlx_`"));
        }
        locked(&self.0.gauges).insert(name, value);
        Ok(())
    }

    /// Reads everything.
    ///
    /// # Errors
    /// If MLX cannot tell the memory that it uses.
    pub fn sample(&self) -> Result<Sample> {
        let counters = &self.0.counters;
        let (now, steps, tokens) = (counters.now(), counters.steps(), counters.tokens());
        let (over, old_steps, old_tokens) = self.mark(now, steps, tokens);
        let rate = |n: u64| match over.as_secs_f64() {
            s if s > 0.0 => n as f64 / s,
            _ => 0.0,
        };
        Ok(Sample {
            seconds: now.as_secs_f64(),
            active: memory::active()?,
            peak: memory::peak()?,
            cache: memory::cache()?,
            memory_limit: memory::limit()?,
            cache_limit: memory::cache_limit(),
            wired_limit: memory::wired_limit(),
            gpu: self.0.gpu.as_ref().and_then(gpu::Reader::read),
            recordings: transforms::recordings(),
            steps,
            tokens,
            steps_per_second: rate(steps - old_steps),
            tokens_per_second: rate(tokens - old_tokens),
            gauges: locked(&self.0.gauges).clone(),
        })
    }

    /// Remembers this moment, and finds the one to count from: how long ago it was, and steps and tokens
    /// then.
    fn mark(&self, now: Duration, steps: u64, tokens: u64) -> (Duration, u64, u64) {
        let mut seen = locked(&self.0.seen);
        let old = |at: Duration| now.saturating_sub(at) >= WINDOW;
        while seen.get(1).is_some_and(|m| old(m.0)) {
            seen.pop_front();
        }
        let from = seen.front().copied().unwrap_or((now, steps, tokens));
        if seen.back().is_none_or(|m| now.saturating_sub(m.0) >= APART) {
            seen.push_back((now, steps, tokens));
        }
        // Another thread may have marked a later moment already.
        (
            now.saturating_sub(from.0),
            from.1.min(steps),
            from.2.min(tokens),
        )
    }

    /// A sample of now in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// As [`Monitor::sample`].
    pub fn prometheus(&self) -> Result<String> {
        Ok(text::prometheus(&self.sample()?, &self.0.version))
    }

    /// Sends a sample to [`tracing`] at that interval, at level `INFO` and with the target `mlx_runtime::monitor`, from
    /// a new thread and to the subscriber of this thread, until the result is dropped.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn trace_every(&self, interval: Duration) -> Result<Tracing> {
        Tracing::start(self.clone(), interval)
    }

    /// Reads the GPU's utilisation at that interval, on a new thread, until the result is dropped. [`GpuWatch::mean`]
    /// returns the mean, or `None` if nothing can be read, and then there is no thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn watch_gpu(&self, interval: Duration) -> Result<GpuWatch> {
        GpuWatch::start(self.clone(), interval)
    }

    /// Sends a sample to [`tracing`] now.
    ///
    /// # Errors
    /// As [`Monitor::sample`].
    pub fn trace(&self) -> Result<()> {
        events::emit(&self.sample()?);
        Ok(())
    }

    /// Answers `GET /metrics` on this port of 127.0.0.1 with [`Monitor::prometheus`], from a thread of
    /// its own, until the result is dropped. Port 0 is any free one.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) if the port is taken or not allowed.
    #[cfg(feature = "serve")]
    pub fn serve(&self, port: u16) -> Result<Server> {
        self.serve_at((std::net::Ipv4Addr::LOCALHOST, port).into())
    }

    /// As [`Monitor::serve`], at another address. There is no encryption and no password: everyone who can reach the
    /// address can read the metrics.
    ///
    /// # Errors
    /// As [`Monitor::serve`].
    #[cfg(feature = "serve")]
    pub fn serve_at(&self, address: std::net::SocketAddr) -> Result<Server> {
        Server::start(self.clone(), address)
    }
}

/// The state is whole even after a panic of another thread, because every change is one call.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shared by threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Monitor>();
};
