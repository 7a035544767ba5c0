//! Streams: queues of work on a device.
//!
//! A stream belongs to the thread that made it. Each thread has a default stream on each device,
//! made when it is first needed. An operation runs on its thread's *current* stream: the default
//! stream of the default device, unless [`with`] says otherwise. Work on one stream runs in
//! order; MLX orders work on different streams by the data that flows between them.
//!
//! On the CPU each stream has a worker thread, which MLX keeps until the process ends: let few,
//! long-lived threads use MLX, not a new one for each task.

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use mlx_sys as sys;

use crate::device::{self, Device};
use crate::error::{check, from_c, init};
use crate::{Error, ErrorKind, Result};

/// A queue of work on one device. Owns one `mlx_stream`.
///
/// Not `Send`: MLX keeps what executes a stream's work with the thread that made it.
#[derive(Debug)]
pub struct Stream(sys::mlx_stream);

impl Stream {
    /// A new stream on `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if MLX does not have the device.
    pub fn new(device: Device) -> Result<Self> {
        device.check_available("new_stream")?;
        let handle = device.handle()?;
        // SAFETY: the device handle is valid.
        Self::checked(unsafe { sys::mlx_stream_new_device(handle.as_raw()) })
    }

    /// This thread's default stream on `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if MLX does not have the device.
    pub fn default_on(device: Device) -> Result<Self> {
        device.check_available("default_stream")?;
        let handle = device.handle()?;
        let mut raw = sys::mlx_stream { ctx: null_mut() };
        // SAFETY: the device handle is valid, the destination null.
        check("default_stream", unsafe {
            sys::mlx_get_default_stream(&mut raw, handle.as_raw())
        })?;
        Self::checked(raw)
    }

    /// The device that the stream's work runs on.
    ///
    /// # Errors
    /// If MLX cannot say.
    pub fn device(&self) -> Result<Device> {
        let mut handle = device::Handle::null();
        // SAFETY: both handles are ours.
        check("stream", unsafe {
            sys::mlx_stream_get_device(handle.as_out(), self.0)
        })?;
        handle.device()
    }

    /// Waits until all work of this stream that was started is done.
    ///
    /// # Errors
    /// What that work reports.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the handle is valid.
        check("synchronize", unsafe { sys::mlx_synchronize(self.0) })
    }

    /// The handle; valid while `self` is.
    pub(crate) fn as_raw(&self) -> sys::mlx_stream {
        self.0
    }

    pub(crate) fn checked(raw: sys::mlx_stream) -> Result<Self> {
        if raw.ctx.is_null() {
            return Err(from_c("stream", &[]));
        }
        Ok(Self(raw))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: owned here. The stream itself lives in MLX; this is a handle to it.
        unsafe { sys::mlx_stream_free(self.0) };
    }
}

/// Counts changes of the default device, so that threads notice them.
static DEVICE_GENERATION: AtomicU64 = AtomicU64::new(1);

pub(crate) fn default_device_changed() {
    DEVICE_GENERATION.fetch_add(1, Ordering::Release);
}

/// What a thread knows of its current stream.
struct Current {
    /// Set by `with`; null otherwise. Borrowed from the `Stream` that `with` was given.
    chosen: Cell<*mut std::ffi::c_void>,
    /// This thread's default stream on the default device of `generation`. Owned; null at first.
    default: Cell<*mut std::ffi::c_void>,
    generation: Cell<u64>,
}

impl Drop for Current {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe {
            sys::mlx_stream_free(sys::mlx_stream {
                ctx: self.default.get(),
            })
        };
    }
}

thread_local! {
    static CURRENT: Current = const { Current {
        chosen: Cell::new(null_mut()),
        default: Cell::new(null_mut()),
        generation: Cell::new(0),
    } };
}

/// The current stream, valid until this thread changes it. One atomic load when it is cached;
/// the first call on a thread also installs the error handler.
#[inline]
pub(crate) fn current() -> Result<sys::mlx_stream> {
    CURRENT
        .try_with(|c| {
            let chosen = c.chosen.get();
            if !chosen.is_null() {
                return Ok(sys::mlx_stream { ctx: chosen });
            }
            if c.generation.get() == DEVICE_GENERATION.load(Ordering::Acquire) {
                return Ok(sys::mlx_stream {
                    ctx: c.default.get(),
                });
            }
            refresh(c)
        })
        .unwrap_or_else(|_| Err(thread_is_ending()))
}

#[cold]
fn refresh(c: &Current) -> Result<sys::mlx_stream> {
    init();
    // Before the device is read: a change in between is then noticed next time.
    let generation = DEVICE_GENERATION.load(Ordering::Acquire);
    let stream = Stream::default_on(device::default_device()?)?;
    let raw = stream.0;
    std::mem::forget(stream);
    let old = c.default.replace(raw.ctx);
    c.generation.set(generation);
    // SAFETY: owned by the cell until just now; null is ignored.
    unsafe { sys::mlx_stream_free(sys::mlx_stream { ctx: old }) };
    Ok(raw)
}

#[cold]
fn thread_is_ending() -> Error {
    Error::new(
        ErrorKind::Device,
        "this thread is ending and has no stream any more",
    )
}

/// Runs `f` with `stream` as this thread's current stream, also for a function that `f` calls.
///
/// # Errors
/// What `f` returns.
///
/// ```
/// use mlx_runtime::{device::Device, ops, stream, Dtype};
/// let cpu = stream::Stream::new(Device::cpu())?;
/// let a = stream::with(&cpu, || ops::zeros(&[2], Dtype::Float32))?;
/// a.eval()?;
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn with<T>(stream: &Stream, f: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Puts the previous choice back, also when `f` panics.
    struct Restore(*mut std::ffi::c_void);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = CURRENT.try_with(|c| c.chosen.set(self.0));
        }
    }
    let previous = CURRENT
        .try_with(|c| c.chosen.replace(stream.0.ctx))
        .map_err(|_| thread_is_ending())?;
    let _restore = Restore(previous);
    f()
}

/// Waits until all work of this thread's current stream that was started is done.
///
/// # Errors
/// What that work reports.
pub fn synchronize() -> Result<()> {
    let stream = current()?;
    // SAFETY: the handle is valid.
    check("synchronize", unsafe { sys::mlx_synchronize(stream) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops, Array, Dtype};

    #[test]
    fn every_thread_has_its_own_stream() {
        let run = || {
            let a = Array::from_slice(&[1.0f32, 2.0], &[2]).unwrap();
            ops::sum(&a, &[], false).unwrap().item::<f32>().unwrap()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(run)).collect();
        for t in threads {
            assert_eq!(t.join().unwrap(), 3.0);
        }
    }

    #[test]
    fn evaluated_arrays_move_between_threads_and_others_are_errors() {
        let done = ops::ones(&[3], Dtype::Float32).unwrap();
        done.eval().unwrap();
        let lazy = ops::add(&done, &done).unwrap();
        std::thread::spawn(move || {
            let twice = ops::add(&done, &done).unwrap();
            assert_eq!(twice.to_vec::<f32>().unwrap(), [2.0; 3]);
            let e = lazy.eval().unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Device);
            assert!(e.hint().is_some());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn with_is_undone_by_errors_and_panics() {
        let before = current().unwrap().ctx;
        let s = Stream::new(Device::cpu()).unwrap();
        let _ = std::panic::catch_unwind(|| with(&s, || -> Result<()> { panic!("x") }));
        assert_eq!(current().unwrap().ctx, before);
        s.synchronize().unwrap();
        synchronize().unwrap();
    }
}
