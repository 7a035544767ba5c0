//! A description of the machine: its backend, memory and GPUs.
//!
//! Tests: unit tests below.

use serde::Serialize;

use super::cgroup;
use crate::device::{self, Device, DeviceType, Info};
use crate::{backend, Error, ErrorKind, Result};

/// The backend that MLX was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Backend {
    /// No GPU.
    Cpu,
    /// NVIDIA's GPUs, with separate memory.
    Cuda,
    /// Apple's GPUs, which share the machine's memory.
    Metal,
}

/// The memory of one GPU, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Bytes of all of its memory; on Apple's chips, the machine's.
    pub total: usize,
    /// Bytes that no program uses, if known.
    pub free: Option<usize>,
    /// The most bytes that Metal recommends to use.
    pub recommended: Option<usize>,
}

/// The machine's properties that limits are chosen from. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// The backend that MLX was built for.
    pub backend: Backend,
    /// The name of the processors.
    pub cpu: String,
    /// The memory that is built in.
    pub memory: usize,
    /// Bytes that this process may use, if its control group or its resource limits (`ulimit -v`, `-d`) say less.
    pub group_limit: Option<usize>,
    /// Bytes that other programs leave, if known.
    pub available: Option<usize>,
    /// Bytes that MLX holds in this process already, its cache included.
    pub held: usize,
    /// The GPUs that MLX finds.
    pub gpus: Vec<Gpu>,
}

impl Gpu {
    /// A GPU with that much memory.
    pub fn new(name: impl Into<String>, total: usize) -> Self {
        Gpu {
            name: name.into(),
            total,
            free: None,
            recommended: None,
        }
    }
}

impl Machine {
    /// A machine without a GPU; the other fields can be set.
    pub fn new(backend: Backend, memory: usize) -> Self {
        Machine {
            backend,
            cpu: String::new(),
            memory,
            group_limit: None,
            available: None,
            held: 0,
            gpus: Vec::new(),
        }
    }

    /// Detects this machine.
    ///
    /// # Errors
    /// If MLX cannot list its devices.
    pub fn detect() -> Result<Self> {
        let backend = if backend::metal::is_available()? {
            Backend::Metal
        } else if backend::cuda::is_available()? {
            Backend::Cuda
        } else {
            Backend::Cpu
        };
        let mut machine = Machine::new(backend, physical_memory());
        machine.cpu = text(device::info_of(Device::cpu(), "device_name")?);
        machine.group_limit = [cgroup::limit(), resource_limit()]
            .into_iter()
            .flatten()
            .min();
        #[cfg(target_os = "macos")]
        use super::macos::available_memory;
        machine.available = available_memory();
        for index in 0..device::device_count(DeviceType::Gpu)? {
            let device = Device::new(DeviceType::Gpu, index);
            let size = |key| -> Result<Option<usize>> {
                Ok(match device::info_of(device, key)? {
                    Some(Info::Size(n)) => Some(n),
                    _ => None,
                })
            };
            // CUDA's name, then Metal's.
            let total = size("total_memory")?.or(size("memory_size")?);
            let name = text(device::info_of(device, "device_name")?);
            machine.gpus.push(Gpu {
                free: size("free_memory")?,
                recommended: size("max_recommended_working_set_size")?,
                ..Gpu::new(name, total.unwrap_or(0))
            });
        }
        // With CUDA these calls fail without a GPU, and another error reports that better.
        if backend != Backend::Cuda || !machine.gpus.is_empty() {
            machine.held = crate::memory::active()? + crate::memory::cache()?;
        }
        Ok(machine)
    }

    /// The machine's memory, or the part of it that the process's group may use.
    pub fn usable(&self) -> usize {
        self.memory.min(self.group_limit.unwrap_or(usize::MAX))
    }

    /// The GPU that `device` is.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if it is no GPU, or not there.
    pub(super) fn gpu(&self, device: Device) -> Result<&Gpu> {
        usize::try_from(device.index())
            .ok()
            .and_then(|i| self.gpus.get(i))
            .ok_or_else(|| self.absent(device))
    }

    /// Why `device` cannot be used.
    pub(super) fn absent(&self, device: Device) -> Error {
        let cpu = "set MLX_DEVICE=cpu (or leave the device out) to run on the CPU";
        let (why, hint) = match (self.backend, self.gpus.len()) {
            (Backend::Cpu, _) => (
                "MLX was built without a GPU backend".to_owned(),
                format!(
                    "for NVIDIA build with the feature `cuda12` or `cuda13`, for Apple on macOS; {cpu}"
                ),
            ),
            (Backend::Cuda, 0) => (
                "MLX was built for CUDA and finds no GPU".to_owned(),
                "install NVIDIA's driver, see that `nvidia-smi` lists the GPU and that \
                 CUDA_VISIBLE_DEVICES does not hide it; without a GPU, build without the feature `cuda12` or `cuda13`"
                    .to_owned(),
            ),
            (_, 0) => ("MLX finds no GPU".to_owned(), cpu.to_owned()),
            (_, 1) => ("MLX finds one GPU, gpu:0".to_owned(), "use gpu:0".to_owned()),
            (_, n) => (
                format!("MLX finds {n} GPUs, gpu:0 to gpu:{}", n - 1),
                "use one of those".to_owned(),
            ),
        };
        Error::new(
            ErrorKind::Device,
            format!("device {device} not found: {why}"),
        )
        .with_hint(hint)
    }
}

fn text(fact: Option<Info>) -> String {
    fact.map(|f| f.to_string()).unwrap_or_default()
}

pub(super) fn physical_memory() -> usize {
    let value = |name| {
        // SAFETY: takes a number and reads nothing of ours.
        usize::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0)
    };
    value(libc::_SC_PHYS_PAGES).saturating_mul(value(libc::_SC_PAGESIZE))
}

/// The smaller of the limits on address space and on data, above which the system refuses to allocate.
fn resource_limit() -> Option<usize> {
    let read = |found: &libc::rlimit, status: i32| {
        let bytes = usize::try_from(found.rlim_cur).ok();
        bytes.filter(|_| status == 0 && found.rlim_cur != libc::RLIM_INFINITY)
    };
    let none = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    let (mut space, mut data) = (none, none);
    // SAFETY: both destinations outlive their calls.
    let status = unsafe {
        [
            libc::getrlimit(libc::RLIMIT_AS, &mut space),
            libc::getrlimit(libc::RLIMIT_DATA, &mut data),
        ]
    };
    let limits = [read(&space, status[0]), read(&data, status[1])];
    limits.into_iter().flatten().min()
}

/// The room that a process with a limit needs to begin with. Allocations of Rust and C++ end the process where there is
/// none.
const ROOM: usize = 128 << 20;

/// Checks that the limits of the process leave room for more than its libraries.
pub(super) fn check_room() -> Result<()> {
    if resource_limit().is_none() || can_map(ROOM) {
        return Ok(());
    }
    let text = format!(
        "the limits of the process leave less than {} MB of memory",
        ROOM >> 20
    );
    let hint = "raise the limit on the address space (`ulimit -v`) or on data (`ulimit -d`)";
    Err(Error::new(ErrorKind::OutOfMemory, text).with_hint(hint))
}

fn can_map(bytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping that nothing uses, which is removed at once.
    unsafe {
        let at = libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0);
        at != libc::MAP_FAILED && libc::munmap(at, bytes) == 0
    }
}

#[cfg(not(target_os = "macos"))]
/// Bytes that Linux estimates programs can take without swapping.
fn available_memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_every_device_a_name() {
        let m = Machine::detect().unwrap();
        assert!(m.memory > 100 << 20, "{m:?}");
        assert!(m.usable() <= m.memory);
        assert!(!m.cpu.is_empty());
        let gpu = device::device_count(DeviceType::Gpu).unwrap() as usize;
        assert_eq!(m.gpus.len(), gpu);
        for g in &m.gpus {
            assert!(!g.name.is_empty() && g.total > 0, "{g:?}");
        }
        if cfg!(any(target_os = "linux", target_os = "macos")) {
            assert!(m.available.unwrap() <= m.memory);
        }
    }

    #[test]
    fn resource_limits_of_the_process_count() {
        let mut before = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the destination outlives the call.
        let status = unsafe { libc::getrlimit(libc::RLIMIT_DATA, &mut before) };
        assert_eq!(status, 0);
        let mut less = before;
        less.rlim_cur = 7_000_000_000;
        // SAFETY: a soft limit below the hard one, which is put back; no test here needs as much.
        let found = unsafe {
            assert_eq!(libc::setrlimit(libc::RLIMIT_DATA, &less), 0);
            let found = resource_limit();
            assert_eq!(libc::setrlimit(libc::RLIMIT_DATA, &before), 0);
            found
        };
        assert!(found.unwrap() <= 7_000_000_000);
    }

    #[test]
    fn an_absent_gpu_is_one_error_that_says_what_to_do() {
        let mut m = Machine::new(Backend::Cpu, 1 << 34);
        let e = m.gpu(Device::gpu()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Device);
        let text = e.to_string();
        assert!(
            text.contains("cuda13") && text.contains("MLX_DEVICE=cpu"),
            "{text}"
        );

        m.backend = Backend::Cuda;
        let text = m.gpu(Device::gpu()).unwrap_err().to_string();
        assert!(
            text.contains("driver") && text.contains("nvidia-smi"),
            "{text}"
        );

        m.gpus.push(Gpu::new("one", 80 << 30));
        let text = m
            .gpu(Device::new(DeviceType::Gpu, 3))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("gpu:3 not found") && text.contains("use gpu:0"),
            "{text}"
        );
        assert!(m.gpu(Device::new(DeviceType::Gpu, -1)).is_err());
        assert_eq!(m.gpu(Device::gpu()).unwrap().name, "one");
    }
}
