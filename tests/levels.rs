//! Numbers must not hang on the processor that computes them. A binary of tests that includes this file runs
//! some of its tests again, in processes of their own: with each version of the native loops that this machine
//! runs, on 1, 2 and 16 threads, and with three kinds of OpenBLAS's kernels.

use std::process::Command;

use mlx_runtime::cpu;
use mlx_runtime::device::{default_device, DeviceType};

const THREADS: [usize; 3] = [1, 2, 16];

/// OpenBLAS's kernels: SSE3, SSE4, AVX2 and AVX-512, as far as this machine runs them. Two on ARM.
fn cores() -> &'static [&'static str] {
    if !cfg!(target_arch = "x86_64") {
        return &["ARMV8", "NEOVERSEN1"];
    }
    match cpu::levels().len() {
        1 => &["Prescott", "Nehalem"],
        2 => &["Prescott", "Nehalem", "Haswell"],
        _ => &["Nehalem", "Haswell", "SkylakeX"],
    }
}

/// A version of the loops, a number of threads, a kind of OpenBLAS's kernels.
struct Setting {
    level: &'static str,
    threads: usize,
    core: &'static str,
}

impl Setting {
    fn new(level: usize, threads: usize, core: usize) -> Self {
        let (levels, cores) = (cpu::levels(), cores());
        Self {
            level: levels[level % levels.len()],
            threads: THREADS[threads % THREADS.len()],
            core: cores[core % cores.len()],
        }
    }
}

/// Runs the tests whose names contain one of `tests` in so many processes. In the first 3 each value of a setting
/// occurs, in 9 each pair of values of two settings.
#[track_caller]
pub fn again(tests: &[&str], processes: usize) {
    if default_device().unwrap().kind() == DeviceType::Gpu {
        println!("on a GPU, versions of the CPU's loops are not compared");
        return;
    }
    for n in 0..processes {
        let (row, column) = (n % 3, n / 3);
        let Setting {
            level,
            threads,
            core,
        } = Setting::new(row, row + column + 2, row + 2 * column);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(tests)
            .args(["levels::settings_hold", "--skip", "numbers_on_every_level"])
            .env("MLX_SYS_CPU_LEVEL", level)
            .env("MLX_SYS_CPU_THREADS", threads.to_string())
            .env("OPENBLAS_CORETYPE", core)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let ran = |n: usize| out.contains(&format!("running {n} test"));
        assert!(
            output.status.success() && !ran(0) && !ran(1),
            "level {level}, {threads} threads, OpenBLAS's kernels for {core}:\n{out}{err}"
        );
    }
}

/// In a process that [`again`] started: the settings are those asked for.
#[test]
fn settings_hold() {
    let asked = |name| std::env::var(name).ok();
    if let Some(level) = asked("MLX_SYS_CPU_LEVEL") {
        assert_eq!(cpu::level(), Some(level.as_str()));
    }
    if !cpu::blas().starts_with("OpenBLAS") {
        return;
    }
    if let Some(threads) = asked("MLX_SYS_CPU_THREADS") {
        assert_eq!(cpu::threads().to_string(), threads);
    }
    if let Some(core) = asked("OPENBLAS_CORETYPE") {
        // OpenBLAS names its SSE3 kernels after the oldest processor that they are for.
        let core = if core == "Prescott" { "Katmai" } else { &core };
        assert!(cpu::blas().contains(core), "{core}: {}", cpu::blas());
    }
}
