//! A pool of streams.
//!
//! MLX never ends a stream: it stays in the list of all streams (`all_streams`, mlx/stream.cpp:29), and on the CPU its
//! worker, a thread of the operating system, stays with it (`Scheduler::threads_`, mlx/scheduler.h:72, which nothing
//! erases from). One stream for each scope, or for each short-lived thread, would leak a thread every time. So a stream
//! without handles is reused.
//!
//! On the CPU the process has one pool: every thread may use its streams, and `graph_lock` ensures that one does at a
//! time. On a GPU a stream's state belongs to the thread, and so does the pool.
//!
//! Tests: `tests/threads.rs`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use mlx_sys as sys;

use super::Stream;
use crate::device::{Device, DeviceType};
use crate::error::check;
use crate::init::init;
use crate::live::{live, Live};
use crate::lock::graph_lock;
use crate::Result;

/// A handle to a stream that waits for its next user.
struct Idle {
    raw: sys::mlx_stream,
    device: Device,
    _live: live!(Stream),
}

// SAFETY: the handle leads to two numbers, which nothing changes; in the pool of the process are
// only streams that every thread may use.
unsafe impl Send for Idle {}

impl Drop for Idle {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_stream_free(self.raw) };
    }
}

/// The number of times that streams were cleared. MLX then ends the streams of a GPU, so they are not reused.
static CLEARED: AtomicU64 = AtomicU64::new(0);

/// The longest idle one is handed out first: its last work is the likeliest to be done.
static SHARED: Mutex<VecDeque<Idle>> = Mutex::new(VecDeque::new());

thread_local! {
    static OWN: RefCell<VecDeque<Idle>> = const { RefCell::new(VecDeque::new()) };
    static SETTLED: Cell<bool> = const { Cell::new(false) };
    static DEFAULTS: RefCell<Vec<Rc<Lease>>> = const { RefCell::new(Vec::new()) };
    static USER: User = User::new();
}

/// Counts this thread among those that the end of the process must not surprise.
struct User(());

impl User {
    fn new() -> Self {
        // SAFETY: takes nothing; undone below.
        unsafe { sys::mlxrs_thread_enters() };
        Self(())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // SAFETY: takes nothing.
        unsafe { sys::mlxrs_thread_leaves() };
    }
}

fn take(list: &mut VecDeque<Idle>, device: Device) -> Option<Idle> {
    let at = list.iter().position(|idle| idle.device == device)?;
    list.remove(at)
}

/// A stream on loan: goes back to its pool when the last handle that holds the loan is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    stream: sys::mlx_stream,
    device: Device,
    shared: bool,
    /// [`CLEARED`] when it began.
    cleared: u64,
}

impl Lease {
    /// A stream on `device`, which is available; `shared`: for every thread.
    pub(super) fn stream(device: Device, shared: bool) -> Result<Stream> {
        let shared = shared || device.kind() == DeviceType::Cpu;
        let idle = if shared {
            take(
                &mut SHARED.lock().unwrap_or_else(PoisonError::into_inner),
                device,
            )
        } else {
            OWN.try_with(|own| take(&mut own.borrow_mut(), device))
                .ok()
                .flatten()
        };
        let mut stream = match idle {
            Some(idle) => {
                // The error of earlier work does not belong to the next user.
                // SAFETY: the handle is valid.
                let _ = check("new_stream", unsafe { sys::mlx_synchronize(idle.raw) });
                let idle = std::mem::ManuallyDrop::new(idle);
                Stream(idle.raw, None, Live::uncounted())
            }
            None => make(device, shared)?,
        };
        stream.1 = Some(Rc::new(Self {
            // Another handle: the loan outlives the `Stream` that it is given to.
            stream: std::mem::ManuallyDrop::new(stream.copy()).0,
            device,
            shared,
            cleared: CLEARED.load(Ordering::Acquire),
        }));
        Ok(stream)
    }
}

fn make(device: Device, shared: bool) -> Result<Stream> {
    let handle = device.handle()?;
    if shared {
        if device.kind() == DeviceType::Gpu {
            // MLX makes its table of these streams at the first one. On CUDA the table must be younger than the objects
            // that streams are made of, which MLX's allocator creates: younger objects are destroyed earlier at the end
            // of the process, and a stream waits for its work when it is destroyed.
            crate::memory::active()?;
        }
        // MLX looks into its table of these streams while it evaluates, without a lock.
        let _lock = graph_lock();
        // SAFETY: the device handle is valid. MLX asks that one thread at a time evaluates, which
        // `graph_lock` sees to.
        Stream::checked(unsafe { sys::mlx_stream_new_thread_unsafe(handle.as_raw()) })
    } else {
        // SAFETY: the device handle is valid.
        Stream::checked(unsafe { sys::mlx_stream_new_device(handle.as_raw()) })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let idle = Idle {
            raw: self.stream,
            device: self.device,
            // Counted since it was copied.
            _live: Live::uncounted(),
        };
        let ended = self.cleared != CLEARED.load(Ordering::Acquire);
        if ended && self.device.kind() != DeviceType::Cpu {
            return drop(idle);
        }
        if self.shared {
            let mut list = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            list.push_back(idle);
        } else {
            // Fails only while the thread's locals are being destroyed: then the stream ends with
            // the thread.
            let _ = OWN.try_with(|own| own.borrow_mut().push_back(idle));
        }
    }
}

/// Keeps a loan for as long as its stream is this thread's default one.
pub(super) fn keep_as_default(lease: Rc<Lease>) {
    let _ = DEFAULTS.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        kept.retain(|other| other.device != lease.device);
        kept.push(lease);
    });
}

/// Gives this thread a CPU stream from the pool as its default one, before MLX makes one that would
/// outlive the thread.
#[inline]
pub(crate) fn settle() {
    if !SETTLED.get() {
        settle_now();
    }
}

#[cold]
#[inline(never)]
fn settle_now() {
    SETTLED.set(true);
    // Fails only while the thread's locals are being destroyed.
    let _ = USER.try_with(|_| ());
    init();
    // If this fails MLX makes the stream, which is no error.
    let _ = lease_default();
    crate::lock::keep_at_exit();
}

/// Forgets this thread's loans, which MLX has ended, and gives it a new default stream on the CPU.
pub(super) fn clear() -> Result<()> {
    CLEARED.fetch_add(1, Ordering::AcqRel);
    let _ = OWN.try_with(|own| own.borrow_mut().clear());
    SHARED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|idle| idle.device.kind() == DeviceType::Cpu);
    lease_default()
}

fn lease_default() -> Result<()> {
    if crate::device::is_available(Device::cpu())? {
        Lease::stream(Device::cpu(), true)?.make_default()?;
    }
    Ok(())
}
