//! The report of a runtime's choices.
//!
//! Tests: `tests/runtime.rs`.

use std::fmt;

use serde::Serialize;

use super::choose::{Chosen, Limits};
use super::limit::size;
use super::{Backend, Machine};
use crate::device::{Device, DeviceType};

/// The choices of a [`super::Runtime`], with reasons: text for people, fields for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The machine as it was found.
    pub machine: Machine,
    /// The device that operations run on.
    pub device: Device,
    /// The name of the device.
    pub device_name: String,
    /// The reason for this device.
    pub device_reason: String,
    /// The most bytes that arrays may use.
    pub memory_limit: Chosen,
    /// The most bytes that are kept for reuse.
    pub cache_limit: Chosen,
    /// The bytes that Metal keeps resident; `None` on other backends.
    pub wired_limit: Option<Chosen>,
    /// True if evaluations above the memory limit are refused.
    pub enforced: bool,
}

impl Report {
    pub(super) fn new(machine: Machine, device: (Device, String), limits: Limits) -> Self {
        let (device, device_reason) = device;
        let device_name = match device.kind() {
            DeviceType::Cpu => machine.cpu.clone(),
            // Chosen among those that are there.
            DeviceType::Gpu => machine
                .gpu(device)
                .map_or_else(|_| String::new(), |g| g.name.clone()),
        };
        Report {
            machine,
            device,
            device_name,
            device_reason,
            memory_limit: limits.memory,
            cache_limit: limits.cache,
            wired_limit: limits.wired,
            enforced: limits.enforced,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = match (self.device.kind(), self.machine.backend) {
            (DeviceType::Cpu, _) => "",
            (_, Backend::Metal) => ", Metal",
            _ => ", CUDA",
        };
        writeln!(
            f,
            "device {} ({}{backend}): {}",
            self.device, self.device_name, self.device_reason
        )?;
        let after = match self.enforced {
            true => "; what would pass it is refused",
            false => "; a guideline for MLX",
        };
        let row = |name: &str, c: &Chosen| format!("{name} {}: {}", size(c.bytes), c.reason);
        writeln!(f, "{}{after}", row("memory limit", &self.memory_limit))?;
        write!(f, "{}", row("cache limit", &self.cache_limit))?;
        if let Some(wired) = &self.wired_limit {
            write!(f, "\n{}", row("wired limit", wired))?;
        }
        Ok(())
    }
}
