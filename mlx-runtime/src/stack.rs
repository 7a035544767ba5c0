//! The stack of the current thread.

use std::cell::Cell;

/// Stack that a closure of a transform must find: what MLX and one closure of the usual kind need.
const ENOUGH: usize = 192 << 10;

thread_local! {
    /// The lowest address of this thread's stack; 0 where it is not known, 1 before it was asked for.
    static LOWEST: Cell<usize> = const { Cell::new(1) };
}

/// Whether there is stack for another closure. True where the system does not say.
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
