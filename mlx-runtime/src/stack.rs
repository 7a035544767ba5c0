//! A stack as deep as any graph. MLX's transforms call themselves for each node on the way down a graph: a chain of a
//! hundred thousand operations needs more than a thread has.
//!
//! Tests: `tests/deep_graphs.rs`.

use std::cell::{Cell, OnceCell};
use std::panic::AssertUnwindSafe;
use std::ptr::null_mut;

/// Sizes that are tried: only touched pages use memory.
const LARGEST: usize = 16 << 30;
const SMALLEST: usize = 64 << 20;
/// Bytes that stay in memory between uses.
const KEPT: usize = 1 << 18;
/// Stack that closures within closures may fill: as much as most threads have.
const CLOSURES: usize = 8 << 20;
/// Stack that a closure of a transform must find: enough for MLX and one usual closure.
const ENOUGH: usize = 192 << 10;

/// Memory for a thread's second stack. Owns one mapping.
struct Stack {
    base: *mut u8,
    size: usize,
}

impl Stack {
    fn new() -> Option<Self> {
        // SAFETY: takes a constant.
        let pages = unsafe {
            (
                libc::sysconf(libc::_SC_PHYS_PAGES),
                libc::sysconf(libc::_SC_PAGESIZE),
            )
        };
        let page = usize::try_from(pages.1).ok()?;
        // A node takes more memory than its call does.
        let memory = usize::try_from(pages.0).ok()?.saturating_mul(page);
        let mut size = (memory / 4).next_power_of_two().clamp(SMALLEST, LARGEST);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
        while size >= SMALLEST {
            // SAFETY: a new mapping, wherever there is room.
            let base = unsafe {
                libc::mmap(
                    null_mut(),
                    size,
                    libc::PROT_READ | libc::PROT_WRITE,
                    flags,
                    -1,
                    0,
                )
            };
            if base != libc::MAP_FAILED {
                // SAFETY: the mapping's lowest page, which ends a stack that is too small after all.
                unsafe { libc::mprotect(base, page, libc::PROT_NONE) };
                return Some(Self {
                    base: base.cast(),
                    size,
                });
            }
            size /= 2;
        }
        None
    }

    /// The address below which no closure starts: MLX calls them near the top, so that deeper ones call themselves.
    fn lowest_for_closures(&self) -> usize {
        self.base as usize + self.size.saturating_sub(CLOSURES).max(KEPT)
    }

    /// Frees the memory that a deep graph used.
    fn shrink(&self) {
        // SAFETY: within the mapping; nothing below the stack's end is in use.
        unsafe { libc::madvise(self.base.cast(), self.size - KEPT, libc::MADV_DONTNEED) };
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; no longer in use.
        unsafe { libc::munmap(self.base.cast(), self.size) };
    }
}

thread_local! {
    static DEEP: Cell<bool> = const { Cell::new(false) };
    /// The lowest address of this thread's stack; 0 if unknown, 1 before it was read.
    static LOWEST: Cell<usize> = const { Cell::new(1) };
    static STACK: OnceCell<Option<Stack>> = const { OnceCell::new() };
}

/// Runs `f`, a call of MLX C, on this thread with a deep stack. `f` does not panic.
pub(crate) fn deep<R>(f: impl FnOnce() -> R) -> R {
    if DEEP.get() {
        return f();
    }
    let mut f = Some(f);
    let mut run = |stack: &Stack| {
        let f = f.take()?;
        let own = (
            DEEP.replace(true),
            LOWEST.replace(stack.lowest_for_closures()),
        );
        // SAFETY: the mapping is this thread's and not in use, since `DEEP` was not set. `f` calls C functions, which
        // catch C++'s exceptions, and closures, whose panics are caught: nothing unwinds out of it.
        let result = unsafe { psm::on_stack(stack.base, stack.size, AssertUnwindSafe(f)) };
        DEEP.set(own.0);
        LOWEST.set(own.1);
        stack.shrink();
        Some(result)
    };
    let result = STACK.try_with(|own| own.get_or_init(Stack::new).as_ref().and_then(&mut run));
    match (result.ok().flatten(), f) {
        (Some(result), _) => result,
        // There is no room for another stack, or the thread is ending.
        (None, Some(f)) => f(),
        (None, None) => unreachable!("`f` was run, and its result is there"),
    }
}

/// True if there is stack for another closure, or the system does not say.
pub(crate) fn is_enough() -> bool {
    let local = 0u8;
    let here = std::hint::black_box(&raw const local) as usize;
    let lowest = match LOWEST.get() {
        1 => {
            let found = lowest_address().unwrap_or(0);
            LOWEST.set(found);
            found
        }
        known => known,
    };
    lowest == 0 || here.saturating_sub(lowest) > ENOUGH
}

#[cfg(target_os = "linux")]
fn lowest_address() -> Option<usize> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised by the first call, read by the second only if that
    // succeeded, and destroyed once; both destinations are valid.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let status = libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (status == 0).then_some(lowest as usize)
    }
}

#[cfg(target_os = "macos")]
fn lowest_address() -> Option<usize> {
    // SAFETY: both ask about the thread that calls them.
    unsafe {
        let thread = libc::pthread_self();
        let highest = libc::pthread_get_stackaddr_np(thread) as usize;
        highest.checked_sub(libc::pthread_get_stacksize_np(thread))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn lowest_address() -> Option<usize> {
    None
}
