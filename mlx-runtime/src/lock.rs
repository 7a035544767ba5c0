//! Locks between threads that share a graph.
//!
//! - [`graph_lock`]: one thread at a time evaluates a graph or changes one that exists, because MLX then writes to
//!   graph nodes and to its tables of streams.
//! - [`reading`]: one thread at a time walks over a graph, as transforms do. A walk begins between evaluations, and
//!   evaluations do not wait for it: an array that is evaluated meanwhile stays in its graph
//!   (`mlx-sys/native/graph/graph_guard.cpp`).
//!
//! Making or dropping single nodes needs neither lock. A closure that MLX calls runs with neither held ([`released`]),
//! because it may wait for another thread.
//!
//! Tests: `tests/shared_graphs.rs`.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::thread::LocalKey;
use std::time::{Duration, Instant};

use mlx_sys as sys;

/// A reentrant lock that its thread can release temporarily.
struct Lock {
    held: Mutex<bool>,
    freed: Condvar,
    /// The number of times that this thread holds it.
    depth: &'static LocalKey<Cell<u32>>,
}

impl Lock {
    const fn new(depth: &'static LocalKey<Cell<u32>>) -> Self {
        Self {
            held: Mutex::new(false),
            freed: Condvar::new(),
            depth,
        }
    }

    fn enter(&self) {
        if self.depth.get() == 0 {
            self.take(1);
        } else {
            self.depth.set(self.depth.get() + 1);
        }
    }

    fn leave(&self) {
        match self.depth.get() {
            1 => self.give(),
            depth => self.depth.set(depth - 1),
        }
    }

    fn take(&self, depth: u32) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while *held {
            held = self
                .freed
                .wait(held)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *held = true;
        self.depth.set(depth);
    }

    fn try_take(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let free = !std::mem::replace(&mut *held, true);
        if free {
            self.depth.set(1);
        }
        free
    }

    /// Takes the lock for good, unless another thread keeps it for longer than `patience`.
    fn keep(&self, patience: Duration) {
        let end = Instant::now() + patience;
        while self.depth.get() == 0 && !self.try_take() {
            if Instant::now() > end {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn give(&self) {
        self.depth.set(0);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.freed.notify_one();
    }

    /// Releases the lock until the result is dropped.
    fn suspend(&'static self) -> Suspended {
        let depth = self.depth.get();
        if depth > 0 {
            self.give();
        }
        Suspended(self, depth)
    }
}

struct Suspended(&'static Lock, u32);

impl Drop for Suspended {
    fn drop(&mut self) {
        if self.1 > 0 {
            self.0.take(self.1);
        }
    }
}

thread_local! {
    static EVALUATING: Cell<u32> = const { Cell::new(0) };
    static READING: Cell<u32> = const { Cell::new(0) };
}

static EVALUATION: Lock = Lock::new(&EVALUATING);
static READERS: Lock = Lock::new(&READING);

/// Held while MLX evaluates, or changes nodes that other threads may hold. Stays with its thread.
pub(crate) struct GraphLock(PhantomData<*const ()>);

/// Lets one thread at a time evaluate. Reentrant, since dropping a user's closure at the end of
/// an evaluation may evaluate something else.
pub(crate) fn graph_lock() -> GraphLock {
    crate::stream::settle();
    EVALUATION.enter();
    GraphLock(PhantomData)
}

impl Drop for GraphLock {
    fn drop(&mut self) {
        if EVALUATION.depth.get() == 1 {
            // SAFETY: takes nothing; this thread alone evaluates.
            unsafe { sys::mlxrs_graph_settle() };
        }
        EVALUATION.leave();
    }
}

/// The time that the end of a process waits for an evaluation.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has the end of the process wait for the evaluation that runs, and lets no other one begin, because static objects of
/// MLX that evaluations use are destroyed then. Functions run in reverse order at the end, so this comes after the
/// first stream, which makes those objects. With glibc the process ends at once instead
/// (`mlx-sys/native/process/exit_guard.cpp`).
pub(crate) fn keep_at_exit() {
    extern "C" fn keep() {
        // Fails only if the thread's locals are gone: then it evaluates no more.
        let _ = std::panic::catch_unwind(|| EVALUATION.keep(PATIENCE));
    }
    static ONCE: Once = Once::new();
    if cfg!(not(target_env = "gnu")) {
        ONCE.call_once(|| {
            // SAFETY: the function unwinds into no caller. Without memory for it the process has no guard.
            unsafe { libc::atexit(keep) };
        });
    }
}

/// Held while something walks over a graph. Stays with its thread.
pub(crate) struct Reading(PhantomData<*const ()>);

/// Keeps graphs as they are until dropped, and other readers away: some mark the nodes that they read.
pub(crate) fn reading() -> Reading {
    crate::stream::settle();
    // Begins between evaluations, because an evaluation that runs while graphs are read keeps its inputs.
    EVALUATION.enter();
    // SAFETY: takes nothing; ended below.
    unsafe { sys::mlxrs_graph_read_begin() };
    EVALUATION.leave();
    READERS.enter();
    Reading(PhantomData)
}

impl Drop for Reading {
    fn drop(&mut self) {
        READERS.leave();
        // SAFETY: takes nothing; begun above.
        let waiting = unsafe { sys::mlxrs_graph_read_end() };
        // A thread that evaluates now does it at the end.
        if waiting && EVALUATION.depth.get() == 0 && EVALUATION.try_take() {
            drop(GraphLock(PhantomData));
        }
    }
}

/// Runs a user's closure that MLX calls while a graph is recorded or read. Graphs stay as they are, but no lock is
/// held: the closure may wait for another thread.
pub(crate) fn released<T>(closure: impl FnOnce() -> T) -> T {
    // Dropped in reverse order: a thread that holds both took this one first.
    let _readers = READERS.suspend();
    let _evaluation = EVALUATION.suspend();
    closure()
}

/// Drops a value that MLX gives back, which may be any value of a user. An evaluation may be in the middle of a graph.
pub(crate) fn dropped<T>(value: T) {
    let _readers = READERS.suspend();
    drop(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_waits_for_an_evaluation_and_lets_no_other_one_begin() {
        thread_local! {
            static DEPTH: Cell<u32> = const { Cell::new(0) };
        }
        static LOCK: Lock = Lock::new(&DEPTH);
        let second = Duration::from_secs(1);
        LOCK.enter();
        let end = std::thread::spawn(move || {
            LOCK.keep(60 * second);
            DEPTH.get()
        });
        LOCK.leave();
        assert_eq!(end.join().unwrap(), 1);
        assert!(!LOCK.try_take());
        // A thread that holds it for ever does not keep the process.
        LOCK.keep(second / 100);
        assert_eq!(DEPTH.get(), 0);
    }
}
