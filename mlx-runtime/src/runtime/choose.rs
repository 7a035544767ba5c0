//! Chooses the device and the limits for a machine. All functions depend on the machine's description alone.
//!
//! Tests: unit tests below.

use serde::Serialize;

use super::limit::size;
use super::{Backend, Limit, Machine};
use crate::device::{Device, DeviceType};
use crate::{Error, ErrorKind, Result};

/// A number of bytes, and why it is that many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Chosen {
    /// The bytes.
    pub bytes: usize,
    /// The reason for the number.
    pub reason: String,
}

/// The limits that the caller asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub memory: Option<Limit>,
    pub cache: Option<Limit>,
    pub wired: Option<Limit>,
    pub enforce: Option<bool>,
}

/// The limits to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub memory: Chosen,
    pub cache: Chosen,
    /// The wired limit; only Metal has one.
    pub wired: Option<Chosen>,
    pub enforced: bool,
}

/// The variable that chooses the device if the code does not.
pub(super) const VARIABLE: &str = "MLX_DEVICE";

/// A memory limit below this is a mistake, because no model fits in it.
const LEAST: usize = 1 << 16;

/// The default of the most bytes that MLX keeps for reuse on a CPU.
const CPU_CACHE: usize = 1 << 30;

/// The device, and the reason: the code's choice, else the environment's, else the first GPU, else the CPU.
pub(super) fn device(
    machine: &Machine,
    code: Option<Device>,
    environment: Option<&str>,
) -> Result<(Device, String)> {
    if machine.backend == Backend::Cuda && machine.gpus.is_empty() {
        // MLX's CUDA build cannot even allocate for the CPU then.
        return Err(machine.absent(Device::gpu()));
    }
    let there = |device: Device| match device.kind() {
        DeviceType::Gpu => machine.gpu(device).map(|_| ()),
        DeviceType::Cpu if device.index() == 0 => Ok(()),
        DeviceType::Cpu => Err(Error::new(
            ErrorKind::Device,
            format!("device {device} not found: the CPU is one device, cpu"),
        )),
    };
    if let Some(device) = code {
        there(device)?;
        return Ok((device, "asked for".to_owned()));
    }
    if let Some(text) = environment.map(str::trim).filter(|t| !t.is_empty()) {
        let named = |e: Error| {
            let hint = e.hint().unwrap_or_default().to_owned();
            let message = format!("{VARIABLE}={text}: {}", e.message());
            Error::new(e.kind(), message).with_hint(hint)
        };
        let device: Device = text.parse().map_err(named)?;
        there(device).map_err(named)?;
        return Ok((device, format!("{VARIABLE}={text}")));
    }
    if machine.gpus.is_empty() {
        return Ok((Device::cpu(), "there is no GPU".to_owned()));
    }
    Ok((Device::gpu(), "the first GPU".to_owned()))
}

/// The limits of `machine` for work on `device`.
pub(super) fn limits(machine: &Machine, device: Device, asked: &Asked) -> Result<Limits> {
    let own = device.kind() == DeviceType::Gpu && machine.backend == Backend::Cuda;
    let memory = if own {
        memory_of_gpu(machine, device, asked.memory)?
    } else {
        memory_of_system(machine, asked.memory)?
    };
    let host = device.kind() == DeviceType::Cpu;
    Ok(Limits {
        cache: cache(memory.bytes, host, asked.cache)?,
        wired: wired(machine, asked.wired)?,
        // MLX allocates from the system on a CPU and on Apple's chips, and running out of memory then ends the process.
        // A CUDA driver refuses instead, which is an error.
        enforced: asked.enforce.unwrap_or(!own || asked.memory.is_some()),
        memory,
    })
}

fn memory_of_gpu(machine: &Machine, device: Device, asked: Option<Limit>) -> Result<Chosen> {
    let gpu = machine.gpu(device)?;
    let whole = format!("the GPU's {}", size(gpu.total));
    if let Some(limit) = asked {
        return asked_for(limit, gpu.total, &whole);
    }
    let most = part(gpu.total, 0.95);
    // Memory that this process holds already is its own. A little is left for kernels and libraries.
    let free = gpu.free.map(|f| part(f.saturating_add(machine.held), 0.98));
    Ok(match free {
        Some(free) if free < most => Chosen {
            bytes: free,
            reason: format!("98 % of what other programs leave of {whole}"),
        },
        _ => Chosen {
            bytes: most,
            reason: format!("95 % of {whole}"),
        },
    })
}

fn memory_of_system(machine: &Machine, asked: Option<Limit>) -> Result<Chosen> {
    let usable = machine.usable();
    let whole = match machine.group_limit {
        Some(limit) if limit < machine.memory => {
            format!("the {} that the system allows this process", size(usable))
        }
        _ => format!("the machine's {}", size(usable)),
    };
    if let Some(limit) = asked {
        return asked_for(limit, usable, &whole);
    }
    let most = part(usable, 0.8);
    let recommended = match machine.backend {
        Backend::Metal => machine.gpus.first().and_then(|g| g.recommended),
        _ => None,
    };
    if let Some(bytes) = recommended.filter(|&r| r > most) {
        return Ok(Chosen {
            bytes: bytes.min(part(usable, 0.95)),
            reason: format!("what Metal recommends, at most 95 % of {whole}"),
        });
    }
    // On Apple's chips the system makes room; elsewhere memory that other programs use is not available.
    let left = machine
        .available
        .filter(|_| machine.backend != Backend::Metal);
    let left = left.map(|a| part(a.saturating_add(machine.held), 0.95));
    Ok(match left {
        Some(left) if left < most => Chosen {
            bytes: left,
            reason: format!("95 % of what other programs leave of {whole}"),
        },
        _ => Chosen {
            bytes: most,
            reason: format!("80 % of {whole}"),
        },
    })
}

fn asked_for(limit: Limit, whole: usize, text: &str) -> Result<Chosen> {
    let bytes = limit.of(whole)?;
    let refuse = |why: String, hint: String| {
        let message = format!("invalid memory limit of {}: {why}", size(bytes));
        Err(Error::new(ErrorKind::InvalidArgument, message).with_hint(hint))
    };
    if bytes < LEAST {
        return refuse(
            format!("expected at least {}", size(LEAST)),
            "write 24GB, or a share such as 0.8; a number without a unit is bytes".to_owned(),
        );
    }
    if bytes > whole {
        return refuse(
            format!("expected at most {text}"),
            format!("use at most {whole}, or a share such as 0.8, which fits every machine"),
        );
    }
    let reason = match limit {
        Limit::Bytes(_) => format!("asked for, of {text}"),
        Limit::Share(s) => format!("asked for, {} % of {text}", (s * 1000.0).round() / 10.0),
    };
    Ok(Chosen { bytes, reason })
}

fn cache(memory: usize, host: bool, asked: Option<Limit>) -> Result<Chosen> {
    if let Some(limit) = asked {
        let bytes = limit.of(memory)?;
        return Ok(Chosen {
            bytes: bytes.min(memory),
            reason: if bytes > memory {
                "asked for more, but no more than the memory limit".to_owned()
            } else {
                "asked for".to_owned()
            },
        });
    }
    Ok(if host {
        // MLX on a CPU does not give its cache back when memory is short.
        Chosen {
            bytes: (memory / 8).min(CPU_CACHE),
            reason: "an eighth of the memory limit, at most 1.07 GB".to_owned(),
        }
    } else {
        Chosen {
            bytes: memory,
            reason: "the memory limit; MLX gives it back when memory is short".to_owned(),
        }
    })
}

fn wired(machine: &Machine, asked: Option<Limit>) -> Result<Option<Chosen>> {
    let recommended = match machine.backend {
        Backend::Metal => machine.gpus.first().and_then(|g| g.recommended),
        _ => None,
    };
    let Some(most) = recommended else {
        return Ok(None);
    };
    let Some(limit) = asked else {
        return Ok(Some(Chosen {
            bytes: most,
            reason: "what Metal recommends".to_owned(),
        }));
    };
    let bytes = limit.of(most)?;
    if bytes > most {
        let (bytes, most) = (size(bytes), size(most));
        let text = format!(
            "invalid wired limit of {bytes}: expected at most the {most} that Metal recommends"
        );
        return Err(Error::new(ErrorKind::InvalidArgument, text)
            .with_hint(
                "use at most that, or a share such as 1.0; `sudo sysctl iogpu.wired_limit_mb=MEGABYTES` lets Metal recommend \
                 more until the system restarts",
            ));
    }
    Ok(Some(Chosen {
        bytes,
        reason: "asked for".to_owned(),
    }))
}

fn part(bytes: usize, share: f64) -> usize {
    (bytes as f64 * share) as usize
}

#[cfg(test)]
mod tests {
    use super::super::machine::Gpu;
    use super::*;

    const GB: usize = 1_000_000_000;

    fn mac(memory: usize, recommended: usize) -> Machine {
        let mut m = Machine::new(Backend::Metal, memory);
        let mut gpu = Gpu::new("Apple M4 Max", memory);
        gpu.recommended = Some(recommended);
        m.gpus.push(gpu);
        m
    }

    fn h100() -> Machine {
        let mut m = Machine::new(Backend::Cuda, 500 * GB);
        m.gpus.push(Gpu::new("NVIDIA H100 80GB HBM3", 85 * GB));
        m
    }

    fn chosen(m: &Machine, device: Device, asked: Asked) -> Limits {
        limits(m, device, &asked).unwrap()
    }

    fn refused(m: &Machine, device: Device, memory: Limit) -> String {
        let asked = Asked {
            memory: Some(memory),
            ..Asked::default()
        };
        let e = limits(m, device, &asked).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        e.to_string()
    }

    #[test]
    fn unified_memory_of_128_gb_allows_100_and_more() {
        // As Apple counts (GiB) and as disks are counted, and whatever Metal recommends.
        for memory in [128 * GB, 128 << 30] {
            for recommended in [0.5, 0.75, 0.84, 0.9, 1.0] {
                let m = mac(memory, part(memory, recommended));
                for device in [Device::gpu(), Device::cpu()] {
                    let bytes = chosen(&m, device, Asked::default()).memory.bytes;
                    assert!(bytes >= 100 * GB && bytes <= part(memory, 0.95), "{bytes}");
                }
            }
        }
        // A machine without a GPU.
        let m = Machine::new(Backend::Cpu, 128 * GB);
        assert!(chosen(&m, Device::cpu(), Asked::default()).memory.bytes >= 100 * GB);
        // A CUDA chip that shares the memory reports all of it.
        let mut m = Machine::new(Backend::Cuda, 128 * GB);
        m.gpus.push(Gpu::new("NVIDIA GB10", 128 * GB));
        assert!(chosen(&m, Device::gpu(), Asked::default()).memory.bytes >= 100 * GB);
    }

    /// Machines as Apple sells them: GiB, the GiB that their systems recommend, and GiB of the limit.
    #[test]
    fn the_defaults_of_apples_machines() {
        const GIB: f64 = (1u64 << 30) as f64;
        for (memory, recommended, limit) in [
            (16.0, 10.67, 12.8),
            (64.0, 48.0, 51.2),
            (96.0, 72.0, 76.8),
            (128.0, 96.0, 102.4),
            (128.0, 107.5, 107.5),
            (256.0, 192.0, 204.8),
            (512.0, 464.0, 464.0),
        ] {
            let bytes = |gib: f64| (gib * GIB) as usize;
            let l = chosen(
                &mac(bytes(memory), bytes(recommended)),
                Device::gpu(),
                Asked::default(),
            );
            assert!(
                l.memory.bytes.abs_diff(bytes(limit)) < 2,
                "{memory} GiB: {l:?}"
            );
            assert_eq!(l.wired.unwrap().bytes, bytes(recommended));
            assert_eq!(l.cache.bytes, l.memory.bytes);
            assert!(memory < 128.0 || l.memory.bytes >= 100 * GB);
        }
    }

    /// macOS compresses and writes out what other programs use.
    #[test]
    fn other_programs_do_not_count_on_apples_chips() {
        let mut m = mac(128 << 30, 96 << 30);
        let idle = chosen(&m, Device::gpu(), Asked::default()).memory.bytes;
        m.available = Some(40 << 30);
        assert_eq!(
            chosen(&m, Device::gpu(), Asked::default()).memory.bytes,
            idle
        );
    }

    #[test]
    fn a_gpu_counts_its_own_memory_and_what_others_leave() {
        let mut m = h100();
        let all = chosen(&m, Device::gpu(), Asked::default());
        assert_eq!(all.memory.bytes, part(85 * GB, 0.95));
        assert_eq!(all.cache.bytes, all.memory.bytes);
        assert_eq!((all.wired, all.enforced), (None, false));

        m.gpus[0].free = Some(84 * GB);
        let idle = chosen(&m, Device::gpu(), Asked::default());
        assert_eq!(idle.memory.bytes, all.memory.bytes);

        (m.gpus[0].free, m.held) = (Some(30 * GB), 10 * GB);
        let shared = chosen(&m, Device::gpu(), Asked::default());
        assert_eq!(shared.memory.bytes, part(40 * GB, 0.98));
        assert!(shared.memory.reason.contains("other programs"));
        // Work on the CPU of the same machine is limited by the system's memory.
        assert_eq!(
            chosen(&m, Device::cpu(), Asked::default()).memory.bytes,
            400 * GB
        );
    }

    #[test]
    fn the_control_group_and_other_programs_count_on_a_cpu() {
        let mut m = Machine::new(Backend::Cpu, 64 * GB);
        assert_eq!(
            chosen(&m, Device::cpu(), Asked::default()).memory.bytes,
            part(64 * GB, 0.8)
        );
        m.group_limit = Some(10 * GB);
        let grouped = chosen(&m, Device::cpu(), Asked::default());
        assert_eq!(grouped.memory.bytes, 8 * GB);
        assert!(grouped.memory.reason.contains("allows this process"));
        assert_eq!(grouped.cache.bytes, GB);
        assert!(grouped.enforced);
        (m.available, m.held) = (Some(4 * GB), GB);
        let busy = chosen(&m, Device::cpu(), Asked::default());
        assert_eq!(busy.memory.bytes, part(5 * GB, 0.95));
        assert_eq!(busy.cache.bytes, busy.memory.bytes / 8);
    }

    #[test]
    fn what_is_asked_for_is_taken_or_refused() {
        let m = h100();
        let asked = Asked {
            memory: Some(Limit::Bytes(24 * GB)),
            cache: Some(Limit::Share(0.5)),
            wired: Some(Limit::Share(1.0)),
            enforce: None,
        };
        let l = chosen(&m, Device::gpu(), asked);
        assert_eq!((l.memory.bytes, l.cache.bytes), (24 * GB, 12 * GB));
        assert_eq!((l.wired, l.enforced), (None, true));
        let share = Asked {
            memory: Some(Limit::Share(0.8)),
            enforce: Some(false),
            ..Asked::default()
        };
        let l = chosen(&m, Device::gpu(), share);
        assert_eq!((l.memory.bytes, l.enforced), (68 * GB, false));
        assert!(l.memory.reason.contains("80 % of the GPU's 85.00 GB"));

        assert!(refused(&m, Device::gpu(), Limit::Bytes(90 * GB))
            .contains("expected at most the GPU's"));
        // A size without its unit.
        assert!(refused(&m, Device::gpu(), Limit::Bytes(24)).contains("24GB"));
        assert!(refused(&m, Device::gpu(), Limit::Share(0.0)).contains("expected at least"));
        refused(&m, Device::cpu(), Limit::Share(f64::INFINITY));
    }

    #[test]
    fn metal_keeps_what_it_recommends_and_no_more() {
        let m = mac(64 * GB, 48 * GB);
        let l = chosen(&m, Device::gpu(), Asked::default());
        assert_eq!(l.wired.unwrap().bytes, 48 * GB);
        let asked = Asked {
            wired: Some(Limit::Bytes(60 * GB)),
            ..Asked::default()
        };
        let e = limits(&m, Device::gpu(), &asked).unwrap_err();
        let e = e.to_string();
        assert!(e.contains("48.00 GB that Metal recommends"), "{e}");
        assert!(e.contains("sysctl iogpu.wired_limit_mb="), "{e}");
    }

    #[test]
    fn code_overrides_the_environment_which_overrides_the_machine() {
        let pick = |m: &Machine, code, environment| device(m, code, environment).unwrap().0;
        let mut two = h100();
        two.gpus.push(Gpu::new("another", GB));
        let second = Device::new(DeviceType::Gpu, 1);
        assert_eq!(pick(&two, None, None), Device::gpu());
        assert_eq!(pick(&two, None, Some("cpu")), Device::cpu());
        assert_eq!(pick(&two, None, Some("gpu:1")), second);
        assert_eq!(pick(&two, Some(second), Some("cpu")), second);
        assert_eq!(pick(&two, None, Some("")), Device::gpu());
        let bare = Machine::new(Backend::Cpu, GB);
        assert_eq!(pick(&bare, None, None), Device::cpu());
        assert_eq!(
            device(&bare, None, Some("cpu")).unwrap().1,
            "MLX_DEVICE=cpu"
        );
    }

    #[test]
    fn a_device_that_is_not_there_is_said_with_the_variable_that_named_it() {
        let bare = Machine::new(Backend::Cpu, GB);
        let e = device(&bare, None, Some("gpu")).unwrap_err();
        let text = e.to_string();
        assert_eq!(e.kind(), ErrorKind::Device);
        assert!(
            text.starts_with("MLX_DEVICE=gpu: device gpu:0 not found"),
            "{text}"
        );
        assert!(
            text.contains("cuda13") && text.contains("MLX_DEVICE=cpu"),
            "{text}"
        );

        assert!(device(&bare, Some(Device::gpu()), Some("cpu")).is_err());
        assert!(device(&bare, Some(Device::new(DeviceType::Cpu, 1)), None).is_err());
        let e = device(&bare, None, Some("tpu")).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert!(e.to_string().contains("MLX_DEVICE=tpu"), "{e}");

        // MLX's CUDA build without a GPU cannot compute at all.
        let broken = Machine::new(Backend::Cuda, GB);
        let e = device(&broken, Some(Device::cpu()), None).unwrap_err();
        assert!(e.to_string().contains("driver"), "{e}");
    }
}
