//! Lets one thread at a time into a closure.
//!
//! Tests: `tests/threads.rs`.

use std::sync::{Condvar, Mutex, PoisonError};

/// Keeps threads out of a closure that another one is in; the same thread may call it again from within.
///
/// A closure is `Send` and may not be `Sync`. MLX copies the handle to it into the graphs that it records, so one
/// thread may take a gradient while another one has the handle and calls it.
pub(super) struct Turns {
    /// The thread that is in the closure, and its depth.
    inside: Mutex<(usize, u32)>,
    left: Condvar,
}

/// Ends a turn when it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

/// A number that no other thread has while this one lives.
fn thread() -> usize {
    thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            inside: Mutex::new((0, 0)),
            left: Condvar::new(),
        }
    }

    /// Waits until no other thread is in the closure.
    pub(super) fn take(&self) -> Turn<'_> {
        let me = thread();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while inside.1 > 0 && inside.0 != me {
            inside = self
                .left
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *inside = (me, inside.1 + 1);
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.0;
        let mut inside = turns.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.1 -= 1;
        if inside.1 == 0 {
            turns.left.notify_one();
        }
    }
}
