//! Rust closures as payloads of MLX C's closures.
//!
//! A closure that captures nothing gets a payload, too, because its type may forbid two threads at once: a captured
//! value without data can be `Send` and not `Sync`, and only the payload tells two such closures apart.
//!
//! Tests: `tests/threads.rs`.

use std::ffi::c_void;

use super::turns::Turns;
use crate::live::Kept;

/// The payload behind a handle: a closure, counted while MLX keeps it.
pub(super) struct Payload<F> {
    pub(super) f: F,
    pub(super) turns: Turns,
    _kept: Kept,
}

/// Makes a payload of a closure.
pub(super) fn keep<F>(f: F) -> *mut c_void {
    let _kept = Kept::new();
    let turns = Turns::new();
    Box::into_raw(Box::new(Payload { f, turns, _kept })).cast()
}

/// Takes back the payload of [`keep`].
///
/// # Safety
/// `payload` is of [`keep`], for the same `F`, and is not used again.
pub(super) unsafe fn taken_back<F>(payload: *mut c_void) -> Box<Payload<F>> {
    // SAFETY: the caller's promise.
    unsafe { Box::from_raw(payload.cast()) }
}

/// The value that a payload leads to.
///
/// # Safety
/// `payload` is of [`keep`], for the same `F`, and outlives `'a`.
pub(super) unsafe fn payload<'a, F>(payload: *mut c_void) -> &'a Payload<F> {
    // SAFETY: the caller's promise.
    unsafe { &*payload.cast() }
}

/// A C callback that runs a closure.
macro_rules! callback {
    ($(#[$doc:meta])* $F:ident: $bound:path => $name:ident, ($($arg:ident: $ty:ty),*), |$f:ident| $body:expr) => {
        $(#[$doc])*
        unsafe extern "C" fn $name<$F: $bound>($($arg: $ty,)* payload: *mut c_void) -> c_int {
            // SAFETY: the payload is the box made where the closure was handed over, and lives
            // while it does.
            let payload = unsafe { super::payload::payload::<$F>(payload) };
            guard(|| {
                let _turn = payload.turns.take();
                let $f: &$F = &payload.f;
                $body
            })
        }
    };
}
pub(super) use callback;
