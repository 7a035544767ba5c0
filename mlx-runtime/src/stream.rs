//! Streams: queues of work on a device.
//!
//! A stream belongs to the thread that made it. Each thread has a default stream on each device,
//! made when it is first needed. An operation runs on its thread's *current* stream: the default
//! stream of the default device, unless [`with`] says otherwise. Work on one stream runs in
//! order; MLX orders work on different streams by the data that flows between them.
//!
//! MLX keeps every stream until the process ends, on the CPU with a worker thread. So a stream returns to a pool when
//! its last handle is dropped, or when the thread ends that has it as a default, and is reused: ten thousand scopes or
//! threads, one after the other, need one stream. Only the streams of a [`ThreadLocalStream`] are MLX's own, one for
//! each thread that uses it.
//!
//! Tests: `tests/threads.rs`.

mod pool;

use std::cell::Cell;
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlx_sys as sys;

use crate::containers::{MlxString, VectorStream};
use crate::device::{self, Device};
use crate::error::{check, from_c};
use crate::init::init;
use crate::live::{live, Live};
use crate::lock::graph_lock;
use crate::{Error, ErrorKind, Result};

pub(crate) use pool::settle;
use pool::Lease;

/// A queue of work on one device. Owns one `mlx_stream`.
///
/// Not `Send`, because on a GPU MLX keeps the executor of a stream's work with the thread that made it.
#[derive(Debug)]
pub struct Stream(sys::mlx_stream, Option<Rc<Lease>>, live!(Stream));

impl Stream {
    /// A stream on `device` for exclusive use: a new one, or one from the pool.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if MLX does not have the device.
    pub fn new(device: Device) -> Result<Self> {
        device.check_available("new_stream")?;
        Lease::stream(device, false)
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
    /// Returns the error that the work reports.
    pub fn synchronize(&self) -> Result<()> {
        // MLX looks for the stream in a table that making one changes.
        let _lock = graph_lock();
        // SAFETY: the handle is valid.
        check("synchronize", unsafe { sys::mlx_synchronize(self.0) })
    }

    /// As [`Stream::new`], for arrays that other threads evaluate: arrays that are built on it may be evaluated on any
    /// thread, one at a time. On the CPU every stream is like that.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if MLX does not have the device.
    pub fn new_for_all_threads(device: Device) -> Result<Self> {
        device.check_available("new_stream")?;
        Lease::stream(device, true)
    }

    /// This thread's default stream on the CPU.
    ///
    /// # Errors
    /// If MLX was built without CPU kernels.
    pub fn default_cpu() -> Result<Self> {
        Device::cpu().check_available("default_stream")?;
        // SAFETY: takes nothing.
        Self::checked(unsafe { sys::mlx_default_cpu_stream_new() })
    }

    /// This thread's default stream on the first GPU.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if there is none.
    pub fn default_gpu() -> Result<Self> {
        Device::gpu().check_available("default_stream")?;
        // SAFETY: takes nothing.
        Self::checked(unsafe { sys::mlx_default_gpu_stream_new() })
    }

    /// Makes this the thread's default stream on its device. MLX: `set_default_stream`.
    ///
    /// # Errors
    /// If MLX cannot.
    pub fn make_default(&self) -> Result<()> {
        // SAFETY: the handle is valid.
        check("set_default_stream", unsafe {
            sys::mlx_set_default_stream(self.0)
        })?;
        if let Some(lease) = &self.1 {
            pool::keep_as_default(Rc::clone(lease));
        }
        forget_default();
        Ok(())
    }

    /// The stream's number in the process.
    ///
    /// # Errors
    /// If MLX cannot say.
    pub fn index(&self) -> Result<i32> {
        let mut index = 0;
        // SAFETY: the handle is valid and the destination outlives the call.
        check("stream", unsafe {
            sys::mlx_stream_get_index(&mut index, self.0)
        })?;
        Ok(index)
    }

    /// The handle; valid while `self` is.
    pub(crate) fn as_raw(&self) -> sys::mlx_stream {
        self.0
    }

    pub(crate) fn checked(raw: sys::mlx_stream) -> Result<Self> {
        if raw.ctx.is_null() {
            return Err(from_c("stream", &[]));
        }
        Ok(Self(raw, None, Live::new()))
    }

    /// Another handle to the same stream, without its loan.
    fn copy(&self) -> Self {
        // SAFETY: makes a handle without a value.
        let mut copy = Self(unsafe { sys::mlx_stream_new() }, None, Live::new());
        // SAFETY: both handles are ours. A failure leaves a handle without a value, which MLX
        // refuses with an error.
        unsafe { sys::mlx_stream_set(&mut copy.0, self.0) };
        copy
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: owned here. The stream itself lives in MLX; this is a handle to it.
        unsafe { sys::mlx_stream_free(self.0) };
    }
}

impl Clone for Stream {
    /// Another handle to the same stream.
    fn clone(&self) -> Self {
        let mut copy = self.copy();
        copy.1.clone_from(&self.1);
        copy
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        let both = !self.0.ctx.is_null() && !other.0.ctx.is_null();
        // SAFETY: the handles are valid; MLX C looks into them without a check.
        both && unsafe { sys::mlx_stream_equal(self.0, other.0) }
    }
}

impl Eq for Stream {}

impl std::fmt::Display for Stream {
    /// Prints as MLX does, such as `Stream(cpu, 0)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = MlxString::default();
        // SAFETY: both handles are ours.
        unsafe { sys::mlx_stream_tostring(text.as_out(), self.0) };
        f.write_str(&text.as_text())
    }
}

/// One stream for each thread that asks for it, made when it does. Owns one
/// `mlx_stream_thread_local`.
///
/// MLX keeps these streams until the process ends, on the CPU with a worker thread each
/// (`stream_from_thread_local_stream`, mlx/stream.cpp:100): let few, long-lived threads ask.
///
/// ```
/// use mlx_runtime::{device::Device, ops, stream, Dtype};
/// let streams = stream::ThreadLocalStream::new(Device::cpu())?;
/// let sum = || stream::with(&streams.here()?, || ops::ones(&[3], Dtype::Float32)?.to_vec::<f32>());
/// std::thread::scope(|s| s.spawn(sum).join()).map_err(|_| "the thread panicked").unwrap()?;
/// assert_ne!(streams.here()?, stream::Stream::default_cpu()?);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct ThreadLocalStream(sys::mlx_stream_thread_local, live!(ThreadLocalStream));

// SAFETY: the handle leads to a number and a device, which nothing changes.
unsafe impl Send for ThreadLocalStream {}
// SAFETY: as above; MLX keeps each thread's stream with the thread.
unsafe impl Sync for ThreadLocalStream {}

impl ThreadLocalStream {
    /// Streams on `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if MLX does not have the device.
    pub fn new(device: Device) -> Result<Self> {
        device.check_available("new_thread_local_stream")?;
        let handle = device.handle()?;
        // SAFETY: the device handle is valid.
        let raw = unsafe { sys::mlx_stream_thread_local_new(handle.as_raw()) };
        let made = Self(raw, Live::new());
        if made.0.ctx.is_null() {
            return Err(from_c("new_thread_local_stream", &[]));
        }
        Ok(made)
    }

    /// The stream of the calling thread.
    ///
    /// # Errors
    /// If MLX cannot make it.
    pub fn here(&self) -> Result<Stream> {
        let mut raw = sys::mlx_stream { ctx: null_mut() };
        // SAFETY: the handle is valid, the destination null.
        check("thread_local_stream", unsafe {
            sys::mlx_stream_from_thread_local(&mut raw, self.0)
        })?;
        Stream::checked(raw)
    }

    /// Waits until all work of this thread's stream that was started is done.
    ///
    /// # Errors
    /// Returns the error that the work reports.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the handle is valid.
        check("synchronize", unsafe {
            sys::mlx_synchronize_thread_local(self.0)
        })
    }
}

impl Clone for ThreadLocalStream {
    /// Another handle to the same streams.
    fn clone(&self) -> Self {
        let null = sys::mlx_stream_thread_local { ctx: null_mut() };
        let mut copy = Self(null, Live::new());
        // SAFETY: both handles are ours. A failure leaves a handle without a value, which MLX
        // refuses with an error.
        unsafe { sys::mlx_stream_thread_local_set(&mut copy.0, self.0) };
        copy
    }
}

impl Drop for ThreadLocalStream {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored. The streams live in MLX.
        unsafe { sys::mlx_stream_thread_local_free(self.0) };
    }
}

/// Every stream of the process, including those of other threads. Giving work to a stream of another thread is an
/// error.
///
/// # Errors
/// If memory is exhausted.
pub fn all() -> Result<Vec<Stream>> {
    init();
    let mut list = VectorStream::null();
    // SAFETY: the destination is ours.
    check("get_streams", unsafe {
        sys::mlx_get_streams(list.as_out())
    })?;
    let streams = list.iter().collect();
    streams
}

/// Forgets this thread's compiled graphs, ends every stream that MLX keeps with the thread, and gives
/// it a new default one. Arrays that were built on the old ones and are not evaluated may be errors
/// from now on. MLX: `clear_streams`.
///
/// # Errors
/// If work is running, or MLX cannot make the new stream.
pub fn clear() -> Result<()> {
    let chosen = CURRENT.try_with(|c| !c.chosen.get().is_null());
    if chosen.unwrap_or(true) {
        return Err(Error::invalid(
            "clear_streams",
            "expected a call outside of `stream::with`",
        ));
    }
    synchronize()?;
    let device = device::default_device()?;
    {
        // MLX looks into its tables of streams while it evaluates, without a lock.
        let _lock = graph_lock();
        // SAFETY: takes nothing; nothing of this thread runs any more.
        check("clear_streams", unsafe { sys::mlx_clear_streams() })?;
    }
    pool::clear()?;
    if device != Device::cpu() {
        Stream::new(device)?.make_default()?;
    }
    Ok(())
}

/// Waits until all work of the default stream on the default device that was started is done.
/// MLX: `synchronize`.
///
/// # Errors
/// Returns the error that the work reports.
pub fn synchronize_default() -> Result<()> {
    init();
    let _lock = graph_lock();
    // SAFETY: takes nothing.
    check("synchronize", unsafe { sys::mlx_synchronize_default() })
}

/// The cached default stream is another one now.
fn forget_default() {
    let _ = CURRENT.try_with(|c| c.generation.set(0));
}

/// Counts changes of the default device, so that threads notice them.
static DEVICE_GENERATION: AtomicU64 = AtomicU64::new(1);

pub(crate) fn default_device_changed() {
    DEVICE_GENERATION.fetch_add(1, Ordering::Release);
}

/// A thread's cache of its current stream.
struct Current {
    /// Set by `with`; null otherwise. Borrowed from the `Stream` that `with` was given.
    chosen: Cell<*mut std::ffi::c_void>,
    /// This thread's default stream on the default device of `generation`: the handle in `owned`;
    /// null at first.
    default: Cell<*mut std::ffi::c_void>,
    generation: Cell<u64>,
    owned: Cell<Option<Stream>>,
}

thread_local! {
    static CURRENT: Current = const { Current {
        chosen: Cell::new(null_mut()),
        default: Cell::new(null_mut()),
        generation: Cell::new(0),
        owned: Cell::new(None),
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

/// The kind of device that the current stream is on.
pub(crate) fn kind() -> Result<device::DeviceType> {
    Ok(current_clone()?.device()?.kind())
}

/// The current stream, owned.
pub(crate) fn current_clone() -> Result<Stream> {
    // Borrowed from the thread.
    let borrowed = Stream(current()?, None, Live::uncounted());
    Ok(std::mem::ManuallyDrop::new(borrowed).copy())
}

#[cold]
fn refresh(c: &Current) -> Result<sys::mlx_stream> {
    init();
    // Read before the device, so that a change in between is noticed next time.
    let generation = DEVICE_GENERATION.load(Ordering::Acquire);
    let stream = Stream::default_on(device::default_device()?)?;
    let raw = stream.0;
    c.default.set(raw.ctx);
    c.generation.set(generation);
    c.owned.set(Some(stream));
    Ok(raw)
}

#[cold]
fn thread_is_ending() -> Error {
    Error::new(
        ErrorKind::Device,
        "the thread is ending and its streams are gone",
    )
}

/// Runs `f` with `stream` as this thread's current stream, also for a function that `f` calls.
///
/// # Errors
/// Returns the error of `f`.
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
/// Returns the error that the work reports.
pub fn synchronize() -> Result<()> {
    let stream = current()?;
    let _lock = graph_lock();
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
        // A stream of MLX's own, which belongs to the thread on every device.
        let here = ThreadLocalStream::new(Device::cpu()).unwrap();
        let lazy = with(&here.here().unwrap(), || ops::add(&done, &done)).unwrap();
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
    fn streams_are_compared_named_and_replaced() {
        std::thread::spawn(|| {
            let (a, b) = (
                Stream::new(Device::cpu()).unwrap(),
                Stream::new(Device::cpu()).unwrap(),
            );
            assert!(a == a.clone() && a != b && a.index().unwrap() != b.index().unwrap());
            assert_eq!(
                a.to_string(),
                format!("Stream(Device(cpu, 0), {})", a.index().unwrap())
            );
            a.make_default().unwrap();
            assert_eq!(Stream::default_cpu().unwrap(), a);
            assert!(all().unwrap().contains(&b));
            let x = ops::ones(&[2], Dtype::Float32).unwrap();
            assert_eq!(x.to_vec::<f32>().unwrap(), [1.0; 2]);
            clear().unwrap();
            let y = ops::add(&x, &x).unwrap();
            assert_eq!(y.to_vec::<f32>().unwrap(), [2.0; 2]);
            assert_ne!(Stream::default_cpu().unwrap(), a);
            assert_eq!(a, with(&a, current_clone).unwrap());
            synchronize_default().unwrap();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_stream_for_all_threads_computes_on_another_one() {
        let stream = Stream::new_for_all_threads(Device::cpu()).unwrap();
        let lazy = with(&stream, || ops::ones(&[2], Dtype::Float32)).unwrap();
        let values = std::thread::spawn(move || lazy.to_vec::<f32>().unwrap());
        assert_eq!(values.join().unwrap(), [1.0; 2]);
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
