//! The memory that macOS has left.
//!
//! Tests: the unit tests of `machine.rs`, on a Mac.

/// Bytes that are not in use as Activity Monitor counts them: all but memory of programs that cannot be dropped, wired
/// memory, and what compressed memory takes. `None` if the kernel does not say.
// The crate that libc's deprecation names lacks the call.
#[allow(deprecated)]
pub(super) fn available_memory() -> Option<usize> {
    let mut counts = std::mem::MaybeUninit::<libc::vm_statistics64>::zeroed();
    let mut length = libc::HOST_VM_INFO64_COUNT;
    // SAFETY: the destination has as many words as `length` says, all of which are initialised.
    let (status, counts) = unsafe {
        let host = libc::mach_host_self();
        let to = counts.as_mut_ptr().cast();
        let status = libc::host_statistics64(host, libc::HOST_VM_INFO64, to, &mut length);
        (status, counts.assume_init())
    };
    if status != libc::KERN_SUCCESS {
        return None;
    }
    let programs = counts
        .internal_page_count
        .saturating_sub(counts.purgeable_count);
    let used = [programs, counts.wire_count, counts.compressor_page_count];
    let pages: u64 = used.into_iter().map(u64::from).sum();
    // SAFETY: takes a number and reads nothing of ours.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let used = usize::try_from(pages.checked_mul(page)?).ok()?;
    Some(super::machine::physical_memory().saturating_sub(used))
}
