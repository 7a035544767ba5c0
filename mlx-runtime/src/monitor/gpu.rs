//! Reads the state of a GPU, from NVIDIA's management library, Apple's driver and MLX.
//!
//! Tests: unit tests below.

use super::GpuSample;
use crate::device::{self, Device, DeviceType, Info};
use crate::Result;

/// Reads one GPU.
#[derive(Debug)]
pub(super) struct Reader {
    device: Device,
    #[cfg(feature = "nvml")]
    nvml: Option<nvml_wrapper::Device<'static>>,
    #[cfg(target_os = "macos")]
    apple: Option<super::apple::Driver>,
}

impl Reader {
    /// `None` if the device is no GPU.
    pub fn new(device: Device) -> Result<Option<Self>> {
        if device.kind() != DeviceType::Gpu || !device::is_available(device)? {
            return Ok(None);
        }
        Ok(Some(Reader {
            device,
            #[cfg(feature = "nvml")]
            nvml: device::info_of(device, "uuid")?
                .and_then(|uuid| library::find(&uuid.to_string())),
            #[cfg(target_os = "macos")]
            apple: super::apple::Driver::find(),
        }))
    }

    /// `None` if nothing can be read: a monitor is no reason to stop.
    pub fn read(&self) -> Option<GpuSample> {
        #[cfg(feature = "nvml")]
        if let Some(sample) = self.nvml.as_ref().and_then(library::read) {
            return Some(sample);
        }
        #[cfg(target_os = "macos")]
        if let Some(driver) = &self.apple {
            return self.shared(driver.utilization());
        }
        // MLX asks the same library, or CUDA, for the memory.
        let (total, free) = (self.size("total_memory")?, self.size("free_memory")?);
        Some(GpuSample {
            utilization: None,
            memory_used: total.saturating_sub(free),
            memory_total: total,
        })
    }

    /// A GPU whose memory is the machine's: what MLX holds of it.
    #[cfg(target_os = "macos")]
    fn shared(&self, utilization: Option<f64>) -> Option<GpuSample> {
        let held = crate::memory::active().ok()? + crate::memory::cache().ok()?;
        Some(GpuSample {
            utilization,
            memory_used: held,
            memory_total: self.size("memory_size")?,
        })
    }

    fn size(&self, key: &str) -> Option<usize> {
        match device::info_of(self.device, key) {
            Ok(Some(Info::Size(n))) => Some(n),
            _ => None,
        }
    }
}

/// NVML, which is loaded when it is first needed and stays.
#[cfg(feature = "nvml")]
mod library {
    use std::sync::OnceLock;

    use nvml_wrapper::{Device, Nvml};

    use super::super::GpuSample;

    /// Numbers of devices differ between NVML and CUDA if CUDA_VISIBLE_DEVICES is set, their UUIDs do not.
    pub fn find(uuid: &str) -> Option<Device<'static>> {
        static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
        let nvml = NVML.get_or_init(|| Nvml::init().ok()).as_ref()?;
        nvml.device_by_uuid(uuid).ok()
    }

    pub fn read(device: &Device<'static>) -> Option<GpuSample> {
        let memory = device.memory_info().ok()?;
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Some(GpuSample {
            utilization: device
                .utilization_rates()
                .ok()
                .map(|u| f64::from(u.gpu) / 100.0),
            memory_used: size(memory.used),
            memory_total: size(memory.total),
        })
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn a_machine_without_nvidia_is_silent() {
            assert!(super::find("GPU-00000000-0000-0000-0000-000000000000").is_none());
        }
    }
}
