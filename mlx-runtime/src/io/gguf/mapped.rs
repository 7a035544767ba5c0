//! Reading a mapped file that another process may make shorter meanwhile.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The thread that reads, by `pthread_self`; 0 while none does.
static READER: AtomicUsize = AtomicUsize::new(0);
static LOST: AtomicBool = AtomicBool::new(false);

/// Runs `read`, which maps `file` and reads it on this thread. The second value is true if the file changed meanwhile:
/// where it has lost pages, the first was read from zeros. Without this function the system ends a process that
/// reads a lost page (SIGBUS).
pub(super) fn reading<T>(file: &File, read: impl FnOnce() -> T) -> std::io::Result<(T, bool)> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = file.metadata()?;
    LOST.store(false, Ordering::SeqCst);
    // SAFETY: takes nothing.
    READER.store(unsafe { libc::pthread_self() } as usize, Ordering::SeqCst);
    let handler = Handler::install()?;
    let value = read();
    drop(handler);
    let after = file.metadata()?;
    let same = after.len() == before.len() && after.modified().ok() == before.modified().ok();
    Ok((value, !same || LOST.load(Ordering::SeqCst)))
}

/// The action on SIGBUS from before, which comes back when this is dropped.
struct Handler(libc::sigaction);

impl Handler {
    fn install() -> std::io::Result<Handler> {
        // SAFETY: all zeros are a valid action, which is overwritten; both outlive the calls.
        unsafe {
            let mut new: libc::sigaction = std::mem::zeroed();
            let mut old: libc::sigaction = std::mem::zeroed();
            new.sa_sigaction = lost_page as extern "C" fn(_, _, _) as libc::sighandler_t;
            new.sa_flags = libc::SA_SIGINFO;
            libc::sigemptyset(&mut new.sa_mask);
            if libc::sigaction(libc::SIGBUS, &new, &mut old) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(Handler(old))
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        READER.store(0, Ordering::SeqCst);
        // SAFETY: an action that `sigaction` gave.
        unsafe { libc::sigaction(libc::SIGBUS, &self.0, std::ptr::null_mut()) };
    }
}

/// Puts a page of zeros where the file has none any more, so that the reader goes on.
extern "C" fn lost_page(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system passes a valid `info`. All calls may be made in a handler. The page that is replaced is one
    // that this thread has just failed to read, in a mapping of the file that it reads.
    unsafe {
        let size = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let page = ((*info).si_addr() as usize & !(size - 1)) as *mut libc::c_void;
        if READER.load(Ordering::SeqCst) == libc::pthread_self() as usize {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            if libc::mmap(page, size, access, flags, -1, 0) != libc::MAP_FAILED {
                LOST.store(true, Ordering::SeqCst);
                return;
            }
        }
        // Another's fault: it happens again, and ends the process as it would have.
        libc::signal(signal, libc::SIG_DFL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_lost_reads_as_zeros_and_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![7u8; 1 << 16]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        for (length, changed) in [(1 << 16, false), (0, true)] {
            let (sum, noticed) = reading(&file, || {
                use std::os::fd::AsRawFd;
                let (access, fd) = (libc::PROT_READ, file.as_raw_fd());
                // SAFETY: a new mapping of the whole file, which is read within its bounds.
                unsafe {
                    let null = std::ptr::null_mut();
                    let at = libc::mmap(null, 1 << 16, access, libc::MAP_SHARED, fd, 0);
                    assert_ne!(at, libc::MAP_FAILED);
                    if changed {
                        file.set_len(length).unwrap();
                    }
                    let bytes = at.cast::<u8>();
                    let all = (0..1 << 16).map(|i| u64::from(bytes.add(i).read_volatile()));
                    let sum: u64 = all.sum();
                    libc::munmap(at, 1 << 16);
                    sum
                }
            })
            .unwrap();
            assert_eq!((sum, noticed), (length * 7, changed));
        }
    }
}
