//! Measures the resources of a process: handles, memory, threads.

use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::{low_level::live, memory, stream};

/// Everything that must be as it was.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    handles: live::Handles,
    /// Bytes of arrays, as MLX counts them.
    active: usize,
    /// Threads of the operating system.
    threads: usize,
    /// Bytes that the allocator has handed out, in C++ as in Rust.
    heap: usize,
    /// Bytes of the process that are in memory.
    resident: usize,
}

/// The number of rounds out of `n`: all, or a share if a tool makes the process slow.
pub fn rounds(n: usize) -> usize {
    (n / divisor()).max(2)
}

/// Tools that replace the allocator keep more than they hand out, so only counts are compared.
fn divisor() -> usize {
    std::env::var("LEAKS_DIVISOR").map_or(1, |n| n.parse().expect("a number"))
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[cfg(target_env = "gnu")]
fn heap() -> usize {
    // SAFETY: takes nothing; a plain structure comes back.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[cfg(not(target_env = "gnu"))]
fn heap() -> usize {
    0
}

/// The live handles, once MLX's own threads have dropped theirs: they release inputs and outputs a moment after other
/// threads may see the result.
fn settled() -> live::Handles {
    let mut seen = live::handles();
    let mut same = 0;
    while same < 10 {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let now = live::handles();
        same = if now == seen { same + 1 } else { 0 };
        seen = now;
    }
    seen
}

impl Held {
    pub fn now() -> Self {
        stream::synchronize().unwrap();
        Self {
            handles: settled(),
            active: memory::active().unwrap(),
            threads: threads(),
            heap: heap(),
            resident: resident(),
        }
    }

    /// Compares with the resources held before `n` rounds of `what`.
    pub fn check(&self, before: &Self, what: &str, n: usize) {
        println!(
            "{what}: {n} rounds; heap {:+}, resident {:+} bytes; {} handles, {} bytes active",
            self.heap as isize - before.heap as isize,
            self.resident as isize - before.resident as isize,
            self.handles.total(),
            self.active,
        );
        assert_eq!(self.handles, before.handles, "handles after {n} {what}");
        assert_eq!(self.active, before.active, "active memory after {n} {what}");
        assert_eq!(self.threads, before.threads, "threads after {n} {what}");
        // A GPU's driver keeps memory and recorded kernels for itself.
        if divisor() > 1 || default_device().unwrap().kind() == DeviceType::Gpu {
            return;
        }
        // The smallest handle is 16 bytes in a block of 32; allocators keep a little for each
        // thread. So one handle lost in eight rounds is found.
        let allowed = 4 * n + (64 << 10);
        let grown = self.heap.saturating_sub(before.heap);
        assert!(grown < allowed, "{grown} bytes more in {n} {what}");
        let grown = self.resident.saturating_sub(before.resident);
        assert!(grown < 2 << 20, "{grown} bytes resident after {n} {what}");
    }
}

/// Runs `what` a tenth of the times to warm up, then `n` times, and compares.
pub fn repeat(what: &str, n: usize, mut round: impl FnMut(usize)) {
    let n = rounds(n);
    (0..(n / 10).max(2)).for_each(&mut round);
    let before = Held::now();
    (0..n).for_each(&mut round);
    Held::now().check(&before, what, n);
}
