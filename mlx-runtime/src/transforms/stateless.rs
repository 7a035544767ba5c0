//! Passes closures that capture nothing to MLX C as plain functions, without a payload and an allocation.
//!
//! Tests: `tests/no_alloc.rs`.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::turns::Turns;
use crate::live::Kept;

/// Returns true if `F` has no data and no destructor.
pub(super) const fn is_stateless<F>() -> bool {
    std::mem::size_of::<F>() == 0 && !std::mem::needs_drop::<F>()
}

/// The value of a type that has only one.
///
/// # Safety
/// [`is_stateless`] holds, and a value of `F` was forgotten.
pub(super) unsafe fn value<F: 'static>() -> &'static F {
    // SAFETY: a value without bytes is wherever its alignment allows; it was forgotten, so that
    // it lives on.
    unsafe { NonNull::<F>::dangling().as_ref() }
}

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

/// One C callback in both forms: with a payload, and without one for closures that capture nothing.
macro_rules! callbacks {
    ($(#[$doc:meta])* $F:ident: $bound:path => $with:ident, $without:ident,
     ($($arg:ident: $ty:ty),*), |$f:ident| $body:expr) => {
        $(#[$doc])*
        unsafe extern "C" fn $with<$F: $bound>($($arg: $ty,)* payload: *mut c_void) -> c_int {
            // SAFETY: the payload is the box made where the closure was handed over, and lives
            // while it does.
            let payload = unsafe { super::stateless::payload::<$F>(payload) };
            guard(|| {
                let _turn = payload.turns.take();
                let $f: &$F = &payload.f;
                $body
            })
        }
        unsafe extern "C" fn $without<$F: $bound + 'static>($($arg: $ty),*) -> c_int {
            // SAFETY: only handed over where the closure captures nothing, and was forgotten.
            let $f: &$F = unsafe { super::stateless::value() };
            guard(|| $body)
        }
    };
}
pub(super) use callbacks;
