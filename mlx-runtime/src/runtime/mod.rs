//! Sets the device and the memory limits, until the guard is dropped.
//!
//! ```
//! use mlx_runtime::runtime::Runtime;
//! # use mlx_runtime::{ops, Dtype};
//! let runtime = Runtime::builder().memory_limit(0.5).build()?;
//! eprintln!("{}", runtime.report()); // the device, the limits, and why
//! // An evaluation that would pass the limit is an error.
//! let huge = ops::exp(&ops::ones(&[1 << 20, 1 << 20], Dtype::Float32)?)?;
//! let error = huge.eval().unwrap_err();
//! assert_eq!(error.kind(), mlx_runtime::ErrorKind::OutOfMemory);
//! drop(runtime); // the device and the limits are as they were
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/runtime.rs`.

#[cfg(target_os = "linux")]
mod cgroup;
mod choose;
pub(crate) mod enforce;
mod guards;
mod limit;
mod machine;
#[cfg(target_os = "macos")]
mod macos;
mod report;

pub use choose::Chosen;
pub(crate) use limit::size;
pub use limit::Limit;
pub use machine::{Backend, Gpu, Machine};
pub use report::Report;

use crate::device::Device;
use crate::low_level::switches;
use crate::{Error, Result};

/// Systems without cgroups limit nothing.
#[cfg(not(target_os = "linux"))]
mod cgroup {
    pub(super) fn limit() -> Option<usize> {
        None
    }
}

/// The device, the memory, cache and wired limits, for the whole process, until dropped.
///
/// Settings belong to the process, so a program usually has one runtime. Runtimes nest: each restores the settings that
/// it found. In whatever order several are dropped, the first settings return with the last.
#[derive(Debug)]
#[must_use = "dropping it puts the settings back"]
pub struct Runtime {
    id: u64,
    report: Report,
}

impl Runtime {
    /// A builder with the machine's defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The choices, with a reason for each.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Leaves the settings in place for the rest of the process.
    pub fn keep(self) -> Report {
        let report = self.report.clone();
        std::mem::forget(self);
        report
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        guards::leave(self.id);
    }
}

/// Settings of a [`Runtime`]. The environment (`MLX_DEVICE`) and the machine give those that are not set.
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    device: Option<Result<Device>>,
    memory: Option<Result<Limit>>,
    cache: Option<Result<Limit>>,
    wired: Option<Result<Limit>>,
    enforce: Option<bool>,
}

/// Reads a setting: a value, or something that converts to one.
fn setting<T, V>(value: V) -> Option<Result<T>>
where
    V: TryInto<T>,
    V::Error: Into<Error>,
{
    Some(value.try_into().map_err(Into::into))
}

impl Builder {
    /// The device: a [`Device`], or text such as `cpu`, `gpu` or `gpu:1`. The default is the text in `MLX_DEVICE`, else
    /// the first GPU, else the CPU.
    pub fn device<D>(mut self, device: D) -> Self
    where
        D: TryInto<Device>,
        D::Error: Into<Error>,
    {
        self.device = setting(device);
        self
    }

    /// The most memory that arrays may use: a [`Limit`], bytes as `usize`, a share as `f64`, or text. A share is one of
    /// the device's memory: a CUDA GPU's own, else the machine's, or the part of it that the process may use by its
    /// control group and `ulimit`.
    ///
    /// The default is 95 % of a CUDA GPU's memory, 80 % of the machine's on a CPU, and on Apple's chips the size that
    /// Metal recommends, at least 80 % of the machine's. It is less if other programs leave less.
    pub fn memory_limit<L>(mut self, limit: L) -> Self
    where
        L: TryInto<Limit>,
        L::Error: Into<Error>,
    {
        self.memory = setting(limit);
        self
    }

    /// Sets the most bytes of unused memory that MLX keeps for reuse; 0 keeps none. A share is one of the memory limit.
    ///
    /// The default is the memory limit on a GPU, where MLX gives unused memory back when memory is short. On a CPU it
    /// does not, and the default is an eighth of the memory limit, and at most 1 GiB.
    pub fn cache_limit<L>(mut self, limit: L) -> Self
    where
        L: TryInto<Limit>,
        L::Error: Into<Error>,
    {
        self.cache = setting(limit);
        self
    }

    /// Sets the bytes of memory that Metal keeps resident; other backends have no such setting and ignore it. A share
    /// is one of the size that Metal recommends, which is also the default.
    pub fn wired_limit<L>(mut self, limit: L) -> Self
    where
        L: TryInto<Limit>,
        L::Error: Into<Error>,
    {
        self.wired = setting(limit);
        self
    }

    /// Sets whether an evaluation that would pass the memory limit is refused before it runs, with
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory). The check walks over the graph, which takes a microsecond or two
    /// for each operation. A [`TrainStep`](crate::model::TrainStep) knows its memory and is not walked again.
    ///
    /// The default is on if MLX allocates from the system's memory (on a CPU and on Apple's chips), because running out
    /// of it may end the process, and on everywhere if a memory limit is set here. On a CUDA GPU with the default limit
    /// the driver refuses allocations that do not fit, which is an error as well.
    pub fn enforce(mut self, yes: bool) -> Self {
        self.enforce = Some(yes);
        self
    }

    /// Applies the settings.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) if the device is not there, with a hint;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an invalid limit, or one above the whole. Nothing has
    /// changed then.
    pub fn build(self) -> Result<Runtime> {
        let asked = choose::Asked {
            memory: self.memory.transpose()?,
            cache: self.cache.transpose()?,
            wired: self.wired.transpose()?,
            enforce: self.enforce,
        };
        switches::check()?;
        machine::check_room()?;
        let machine = Machine::detect()?;
        let environment = std::env::var(choose::VARIABLE).ok();
        let code = self.device.transpose()?;
        let (device, reason) = choose::device(&machine, code, environment.as_deref())?;
        let limits = choose::limits(&machine, device, &asked)?;
        let id = guards::enter(&guards::Settings {
            device,
            memory: limits.memory.bytes,
            cache: limits.cache.bytes,
            wired: limits.wired.as_ref().map(|w| w.bytes),
            enforced: limits.enforced,
        })?;
        Ok(Runtime {
            id,
            report: Report::new(machine, (device, reason), limits),
        })
    }
}
