//! Restores settings when guards are dropped, in any order.
//!
//! Tests: `tests/runtime.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::device::{self, Device};
use crate::memory;
use crate::Result;

/// The settings that a runtime changes. A limit that is `None` is not touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub device: Device,
    pub memory: usize,
    pub cache: usize,
    pub wired: Option<usize>,
    pub enforced: bool,
}

/// True if evaluations above the memory limit are refused.
pub(super) static ENFORCED: AtomicBool = AtomicBool::new(false);

/// A guard that is alive, and the settings that it found.
struct Layer {
    id: u64,
    before: Settings,
}

struct Stack {
    next: u64,
    layers: Vec<Layer>,
}

fn stack() -> MutexGuard<'static, Stack> {
    static STACK: Mutex<Stack> = Mutex::new(Stack {
        next: 0,
        layers: Vec::new(),
    });
    STACK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Applies `new`; undone by [`leave`] with the number that this returns. If a part of it fails, the
/// rest is undone and nothing has changed.
pub(super) fn enter(new: &Settings) -> Result<u64> {
    let mut stack = stack();
    let mut before = *new;
    before.device = device::default_device()?;
    before.enforced = ENFORCED.load(Ordering::Relaxed);
    device::set_default_device(new.device)?;
    let undo_device = |e| {
        // The device exists, because it was the default before.
        let _ = device::set_default_device(before.device);
        e
    };
    before.memory = memory::set_limit(new.memory).map_err(undo_device)?;
    let undo_limit = |e| {
        let _ = memory::set_limit(before.memory);
        undo_device(e)
    };
    before.cache = memory::set_cache_limit(new.cache).map_err(undo_limit)?;
    if let Some(wired) = new.wired {
        let set = memory::set_wired_limit(wired).map_err(|e| {
            let _ = memory::set_cache_limit(before.cache);
            undo_limit(e)
        });
        before.wired = Some(set?);
    }
    ENFORCED.store(new.enforced, Ordering::Relaxed);
    let id = stack.next;
    stack.next += 1;
    stack.layers.push(Layer { id, before });
    Ok(id)
}

/// Ends a guard. The innermost restores the settings that it found; any other passes them to the next guard inside it,
/// so that the first settings return with the last guard.
pub(super) fn leave(id: u64) {
    let mut stack = stack();
    let Some(at) = stack.layers.iter().position(|l| l.id == id) else {
        return;
    };
    let before = stack.layers.remove(at).before;
    match stack.layers.get_mut(at) {
        Some(inner) => {
            let wired = inner.before.wired.and(before.wired);
            inner.before = Settings { wired, ..before };
        }
        None => restore(&before),
    }
}

/// Every setting was one before, so that none of these can be refused.
fn restore(before: &Settings) {
    let _ = device::set_default_device(before.device);
    let _ = memory::set_limit(before.memory);
    let _ = memory::set_cache_limit(before.cache);
    if let Some(wired) = before.wired {
        let _ = memory::set_wired_limit(wired);
    }
    ENFORCED.store(before.enforced, Ordering::Relaxed);
}
