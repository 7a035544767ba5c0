//! Passes Rust's readers and writers to MLX.
//!
//! Tests: `tests/pipes.rs`.

use std::any::Any;
use std::ffi::{c_char, c_int, c_void, CString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use mlx_sys as sys;

use crate::containers::MlxString;
use crate::error::{check, from_c, take_message};
use crate::handles::c_string;
use crate::init::init;
use crate::live::{live, Kept, Live};
use crate::transforms::closure::discard;
use crate::{Error, ErrorKind, Result};

/// The operations of a reader or writer; each implements its half.
pub(super) trait Medium: Send + 'static {
    /// Fills `to` from the medium's position, and returns the number of bytes read.
    fn read(&mut self, _to: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Writes all of `from`.
    fn write(&mut self, _from: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64>;

    /// The file of the medium, which several threads may read at once.
    fn opened(&self) -> Option<Arc<Opened>> {
        None
    }
}

/// A file that must stay as it was when it was opened.
///
/// MLX's own reader repeats the first bytes after a short read.
pub(super) struct Opened {
    file: File,
    len: u64,
    modified: Option<SystemTime>,
}

impl Opened {
    pub(super) fn new(file: File) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            file,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The length of the file when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `to` from `offset` on.
    pub(super) fn fill(&self, mut to: &mut [u8], mut offset: u64) -> std::io::Result<()> {
        while !to.is_empty() {
            match self.file.read_at(to, offset) {
                Ok(0) => break,
                Ok(n) => {
                    to = &mut to[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let now = self.file.metadata()?;
        if !to.is_empty() || now.len() != self.len || now.modified().ok() != self.modified {
            let text = format!(
                "the file changed while it was read: {} bytes long now, {} when it was opened",
                now.len(),
                self.len
            );
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text));
        }
        Ok(())
    }
}

/// A [`Medium`] of an [`Opened`] file, and the place of its next byte.
pub(super) struct FileMedium(Arc<Opened>, u64);

impl FileMedium {
    pub(super) fn new(file: File) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Opened::new(file)?), 0))
    }
}

impl Medium for FileMedium {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.0.fill(to, self.1)?;
        self.1 += to.len() as u64;
        Ok(to.len())
    }

    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.1, by),
            SeekFrom::End(by) => (self.0.len, by),
        };
        let at = from.checked_add_signed(by);
        self.1 = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.1)
    }

    fn opened(&self) -> Option<Arc<Opened>> {
        Some(Arc::clone(&self.0))
    }
}

/// A [`Medium`] that is read.
pub(super) struct Reading<R>(pub(super) R);

impl<R: Read + Seek + Send + 'static> Medium for Reading<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let mut done = 0;
        while done < to.len() {
            match self.0.read(&mut to[done..]) {
                Ok(0) => break,
                Ok(n) => done += n.min(to.len() - done),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

/// A [`Medium`] that is written.
pub(super) struct Writing<W>(pub(super) W);

impl<W: Write + Seek + Send + 'static> Medium for Writing<W> {
    fn write(&mut self, from: &[u8]) -> std::io::Result<()> {
        self.0.write_all(from)
    }

    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

/// The state behind MLX's pointer. MLX reads from its own threads, several at a time.
struct State<M> {
    inner: Mutex<Inner<M>>,
    label: CString,
    /// The label, with the first failure. MLX asks for it after the failure, for its message.
    failed_label: OnceLock<CString>,
    _kept: Kept,
}

struct Inner<M> {
    /// Gone once it was taken back.
    medium: Option<M>,
    /// The first failure: from then on nothing works.
    failed: Option<Error>,
}

impl<M: Medium> State<M> {
    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> Option<Arc<Opened>> {
        self.lock().medium.as_ref()?.opened()
    }

    /// Runs an operation for C++: failures and panics are kept and become `None`.
    fn run<T>(&self, operate: impl FnOnce(&mut M) -> std::io::Result<T>) -> Option<T> {
        let mut inner = self.lock();
        if inner.failed.is_some() {
            return None;
        }
        let medium = inner.medium.as_mut()?;
        let error = match catch_unwind(AssertUnwindSafe(|| operate(medium))) {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(e)) => Error::from(e),
            Err(payload) => panicked(payload),
        };
        self.fail(&mut inner, error);
        None
    }

    /// Keeps the first failure.
    fn fail(&self, inner: &mut Inner<M>, error: Error) {
        let error = inner.failed.get_or_insert(error);
        self.failed_label.get_or_init(|| {
            let label = self.label.to_string_lossy();
            let text = format!("{label}: {error}").replace('\0', " ");
            CString::new(text).unwrap_or_default()
        });
    }
}

fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let text = payload.downcast_ref::<&str>().map(|t| (*t).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    discard(payload);
    let text = text.unwrap_or_else(|| "(no message)".to_owned());
    Error::new(
        ErrorKind::Panic,
        format!("a reader or writer panicked: {text}"),
    )
}

/// Reads from a user's reader; a panic becomes an error.
pub(super) fn caught<T>(op: &'static str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|payload| Err(panicked(payload).with_op(op)))
}

/// # Safety
/// `state` leads to a live `State<M>`.
unsafe fn state<'a, M>(state: *mut c_void) -> &'a State<M> {
    // SAFETY: the caller's promise.
    unsafe { &*state.cast::<State<M>>() }
}

unsafe extern "C" fn good<M: Medium>(at: *mut c_void) -> bool {
    // SAFETY: MLX C passes the pointer that it was given, and holds it.
    let inner = unsafe { state::<M>(at) }.lock();
    inner.medium.is_some() && inner.failed.is_none()
}

unsafe extern "C" fn tell<M: Medium>(at: *mut c_void) -> usize {
    // SAFETY: as in `good`.
    let place = unsafe { state::<M>(at) }.run(|m| m.seek(SeekFrom::Current(0)));
    place.and_then(|p| usize::try_from(p).ok()).unwrap_or(0)
}

unsafe extern "C" fn seek<M: Medium>(at: *mut c_void, offset: i64, whence: c_int) -> c_int {
    let to = match whence {
        libc::SEEK_SET => match u64::try_from(offset) {
            Ok(from_start) => SeekFrom::Start(from_start),
            Err(_) => return -1,
        },
        libc::SEEK_CUR => SeekFrom::Current(offset),
        _ => SeekFrom::End(offset),
    };
    // SAFETY: as in `good`.
    match unsafe { state::<M>(at) }.run(|m| m.seek(to)) {
        Some(_) => 0,
        None => -1,
    }
}

/// The bytes that a read fills.
///
/// # Safety
/// `data` has `n` bytes, which nothing else uses for `'a`.
unsafe fn target<'a>(data: *mut c_char, n: usize) -> &'a mut [u8] {
    // SAFETY: as the caller says. MLX C has not written them: they are set before a Rust reader sees them.
    unsafe {
        std::ptr::write_bytes(data, 0, n);
        std::slice::from_raw_parts_mut(data.cast::<u8>(), n)
    }
}

unsafe extern "C" fn read<M: Medium>(at: *mut c_void, data: *mut c_char, n: usize) -> usize {
    if n == 0 {
        return 0;
    }
    // SAFETY: as in `good`; MLX C passes `n` bytes of its own.
    let (state, to) = unsafe { (state::<M>(at), target(data, n)) };
    state.run(|m| m.read(to)).unwrap_or(0)
}

unsafe extern "C" fn read_at<M: Medium>(
    at: *mut c_void,
    data: *mut c_char,
    n: usize,
    offset: usize,
) -> usize {
    if n == 0 {
        return 0;
    }
    // SAFETY: as in `read`.
    let (state, to) = unsafe { (state::<M>(at), target(data, n)) };
    let offset = offset as u64;
    if let Some(file) = state.opened() {
        // Reads without the lock, because MLX reads several arrays at a time.
        return match file.fill(to, offset) {
            Ok(()) => n,
            Err(e) => {
                state.fail(&mut state.lock(), Error::from(e));
                0
            }
        };
    }
    let read = state.run(|m| {
        m.seek(SeekFrom::Start(offset))?;
        m.read(to)
    });
    read.unwrap_or(0)
}

unsafe extern "C" fn write<M: Medium>(at: *mut c_void, data: *const c_char, n: usize) -> usize {
    if n == 0 {
        return 0;
    }
    // SAFETY: as in `good`; MLX C passes `n` bytes.
    let (state, from) = unsafe {
        (
            state::<M>(at),
            std::slice::from_raw_parts(data.cast::<u8>(), n),
        )
    };
    state.run(|m| m.write(from)).map_or(0, |()| n)
}

unsafe extern "C" fn label<M: Medium>(at: *mut c_void) -> *const c_char {
    // SAFETY: as in `good`; both labels live as long as the state.
    let state = unsafe { state::<M>(at) };
    state.failed_label.get().unwrap_or(&state.label).as_ptr()
}

unsafe extern "C" fn free<M: Medium>(at: *mut c_void) {
    // SAFETY: the box that `parts` made; MLX C calls this once, when nothing reads any more.
    let state = unsafe { Box::from_raw(at.cast::<State<M>>()) };
    // A destructor that panics must not unwind into C++, and has no caller to report to.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(state))) {
        discard(payload);
    }
}

/// The arguments for MLX C: the state, and the functions for it.
fn parts<M: Medium>(medium: M, name: &str) -> Result<(*mut c_void, sys::mlx_io_vtable)> {
    init();
    let state = State {
        inner: Mutex::new(Inner {
            medium: Some(medium),
            failed: None,
        }),
        label: c_string("io", name)?,
        failed_label: OnceLock::new(),
        _kept: Kept::new(),
    };
    let table = sys::mlx_io_vtable {
        is_open: Some(good::<M>),
        good: Some(good::<M>),
        tell: Some(tell::<M>),
        seek: Some(seek::<M>),
        read: Some(read::<M>),
        read_at_offset: Some(read_at::<M>),
        write: Some(write::<M>),
        label: Some(label::<M>),
        free: Some(free::<M>),
    };
    Ok((Box::into_raw(Box::new(state)).cast(), table))
}

macro_rules! pipe {
    ($(#[$doc:meta])* $name:ident($raw:ident), counted as $kind:ident, $new:ident $descriptor:ident $tostring:ident $free:ident) => {
        $(#[$doc])*
        pub(super) struct $name<M: Medium> {
            raw: sys::$raw,
            medium: std::marker::PhantomData<M>,
            _live: live!($kind),
        }

        #[allow(dead_code)] // a reader is not taken back
        impl<M: Medium> $name<M> {
            /// Hands a medium over to MLX C, for messages under `name`.
            pub(super) fn new(medium: M, name: &str) -> Result<Self> {
                let (state, table) = parts(medium, name)?;
                // SAFETY: the functions match the state, which `free` takes back.
                let raw = unsafe { sys::$new(state, table) };
                if raw.ctx.is_null() {
                    return Err(from_c("io", &[]));
                }
                Ok(Self { raw, medium: std::marker::PhantomData, _live: Live::new() })
            }

            /// The handle; valid while `self` is.
            pub(super) fn as_raw(&self) -> sys::$raw {
                self.raw
            }

            fn state(&self) -> Result<&State<M>> {
                let mut at = std::ptr::null_mut();
                // SAFETY: the handle is valid.
                check("io", unsafe { sys::$descriptor(&mut at, self.raw) })?;
                // SAFETY: the pointer that `new` handed over, which lives while the handle does.
                Ok(unsafe { state(at) })
            }

            /// The error of a call that failed: the medium's own if there is one, else MLX's.
            pub(super) fn failure(&self, op: &'static str) -> Error {
                let own = self.state().ok().and_then(|s| s.lock().failed.clone());
                match own {
                    Some(e) => {
                        // MLX's message only says that reading or writing failed.
                        take_message();
                        e.with_op(op)
                    }
                    None => from_c(op, &[]),
                }
            }

            /// Takes the medium back.
            pub(super) fn take(self, op: &'static str) -> Result<M> {
                let mut inner = self.state()?.lock();
                if let Some(e) = inner.failed.clone() {
                    return Err(e.with_op(op));
                }
                let gone = || Error::new(ErrorKind::Io, "the writer has ended").with_op(op);
                inner.medium.take().ok_or_else(gone)
            }
        }

        impl<M: Medium> std::fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut text = MlxString::default();
                // SAFETY: both handles are ours.
                unsafe { sys::$tostring(text.as_out(), self.raw) };
                write!(f, "{}({})", stringify!($name), text.as_text())
            }
        }

        impl<M: Medium> Drop for $name<M> {
            fn drop(&mut self) {
                // SAFETY: owned here. The state lives on while arrays that are not read need it.
                unsafe { sys::$free(self.raw) };
            }
        }
    };
}

pipe! {
    /// The source that MLX reads from. Owns one `mlx_io_reader`.
    Reader(mlx_io_reader), counted as Reader, mlx_io_reader_new mlx_io_reader_descriptor mlx_io_reader_tostring
    mlx_io_reader_free
}
pipe! {
    /// The destination that MLX writes to. Owns one `mlx_io_writer`.
    Writer(mlx_io_writer), counted as Writer, mlx_io_writer_new mlx_io_writer_descriptor mlx_io_writer_tostring
    mlx_io_writer_free
}
