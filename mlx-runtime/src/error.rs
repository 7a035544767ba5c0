//! The one error type of this crate, and the C error handler that feeds it.
//!
//! Tests: unit tests below.

pub(crate) mod known;

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{c_char, c_void, CStr};
use std::fmt;
use std::sync::Arc;

use crate::Array;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error, for code that handles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, axes or element counts do not fit together.
    Shape,
    /// An array has another dtype than the call needs.
    Dtype,
    /// An argument is outside what the function accepts.
    InvalidArgument,
    /// The device could not provide the memory.
    OutOfMemory,
    /// A device, stream or backend is not there.
    Device,
    /// The device failed while it worked: nothing more can run on it in this process.
    DeviceLost,
    /// Reading or writing a file failed in the operating system.
    Io,
    /// A file is truncated, corrupt, or not of the format it should be.
    Format,
    /// A closure given to a transform panicked.
    Panic,
    /// A value is NaN or infinite where training cannot go on.
    NotFinite,
    /// MLX reported something else.
    Mlx,
}

/// Any failure in this crate: one clear line, and a hint where the user can act.
///
/// Opaque, one pointer wide, cheap to return. Nothing is formatted unless the call failed.
///
/// ```
/// use mlx_runtime::{ops, Array, ErrorKind};
/// let a = Array::from_slice(&[1.0f32; 6], &[2, 3])?;
/// let b = Array::from_slice(&[1.0f32; 8], &[2, 4])?;
/// let err = ops::add(&a, &b).unwrap_err();
/// assert_eq!(err.kind(), ErrorKind::Shape);
/// assert_eq!(err.op(), Some("add"));
/// assert!(err.to_string().contains("float32[2, 3]"));
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    op: Option<&'static str>,
    message: String,
    hint: Option<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a one-line `message`.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            op: None,
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Names the operation that failed, where a part of it named itself.
    pub(crate) fn renamed(mut self, op: &'static str) -> Self {
        self.0.op = Some(op);
        self
    }

    /// Names the operation that failed, unless one is named already.
    #[must_use]
    pub fn with_op(mut self, op: &'static str) -> Self {
        self.0.op.get_or_insert(op);
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, by its name in this crate.
    pub fn op(&self) -> Option<&'static str> {
        self.0.op
    }

    /// The message, without operation and hint.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The hint: an action that the user can take.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Shorthand for [`ErrorKind::InvalidArgument`].
    #[cold]
    pub(crate) fn invalid(op: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message).with_op(op)
    }

    /// Shorthand for [`ErrorKind::Shape`].
    #[cold]
    pub(crate) fn shape(op: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape, message).with_op(op)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(op) = self.0.op {
            write!(f, "{op}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// As [`Display`](fmt::Display), so that an error that `main` returns is readable, and a line for each source that
    /// says more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.to_string();
        f.write_str(&said)?;
        let mut next = std::error::Error::source(self);
        while let Some(source) = next {
            let text = source.to_string();
            if !said.contains(&text) {
                write!(f, "\ncaused by: {text}")?;
                said = text;
            }
            next = source.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, e.to_string()).with_source(e)
    }
}

thread_local! {
    /// The last message of MLX on this thread. MLX C reports on the thread that made the call:
    /// failures inside MLX's own stream threads are kept there and thrown where they are awaited.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Stores the message for the call that is failing. Must not unwind: its caller is C++.
unsafe extern "C" fn on_error(message: *const c_char, _data: *mut c_void) {
    if message.is_null() {
        return;
    }
    // SAFETY: MLX C passes a NUL-terminated string that lives for the duration of this call.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    let text = clean(&text);
    // Fails only while the thread's locals are being destroyed: then the text is lost, not the error.
    let _ = LAST.try_with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            *slot = Some(text);
        }
    });
}

/// Installs [`on_error`], once, before any other call into MLX C, whose default handler exits the process.
pub(crate) fn install_handler() {
    // SAFETY: `on_error` is a function for the life of the program and uses no data. MLX C
    // keeps it in an unguarded global; the caller orders this write before every later call.
    unsafe { mlx_sys::mlx_set_error_handler(Some(on_error), std::ptr::null_mut(), None) };
}

/// Takes the message of the call that just failed on this thread.
pub(crate) fn take_message() -> Option<String> {
    LAST.try_with(|slot| slot.try_borrow_mut().ok().and_then(|mut s| s.take()))
        .ok()
        .flatten()
}

/// Strips the place in MLX C, which it appends to every message, and joins lines. Spaces stay as they are, because
/// they may be part of a file's name.
fn clean(text: &str) -> String {
    let text = match text.rfind(" at ") {
        Some(at) if is_place(&text[at + " at ".len()..]) => &text[..at],
        _ => text,
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// `FILE.cpp:LINE`.
fn is_place(text: &str) -> bool {
    text.rsplit_once(".cpp:")
        .is_some_and(|(_, line)| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()))
}

/// The error of a C call that failed, with the shapes of its inputs.
#[cold]
#[inline(never)]
pub(crate) fn from_c(op: &'static str, inputs: &[&Array]) -> Error {
    let message = take_message().unwrap_or_else(|| "MLX gave no reason".to_owned());
    crate::array::failed::decode(&message).unwrap_or_else(|| build(op, message, inputs))
}

#[cold]
fn build(op: &'static str, message: String, inputs: &[&Array]) -> Error {
    use fmt::Write;
    // MLX starts most messages with "[op]"; ours names the operation already.
    let text = match message.strip_prefix('[').and_then(|m| m.split_once("] ")) {
        Some((_, rest)) => rest,
        None => &message,
    };
    let mut full = text.trim_end_matches('.').to_owned();
    if !inputs.is_empty() {
        full.push_str(" (inputs: ");
        // A call on a thousand arrays should not print them all.
        const SHOWN: usize = 8;
        for (i, a) in inputs.iter().take(SHOWN).enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(full, "{comma}{}{:?}", a.dtype(), a.shape());
        }
        if inputs.len() > SHOWN {
            let _ = write!(full, ", and {} more", inputs.len() - SHOWN);
        }
        full.push(')');
    }
    let (kind, hint) = known::classify(&message);
    if kind == ErrorKind::DeviceLost {
        // SAFETY: takes nothing.
        unsafe { mlx_sys::mlxrs_device_lost() };
    }
    let error = Error::new(kind, full).with_op(op);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Turns a C status into a `Result`, for calls that make no array.
#[inline]
pub(crate) fn check(op: &'static str, status: std::ffi::c_int) -> Result<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(from_c(op, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_c_is_stripped() {
        assert_eq!(
            clean("[add] bad\n shapes at /x/y/ops.cpp:12"),
            "[add] bad shapes"
        );
        assert_eq!(clean("look at me"), "look at me");
        assert_eq!(
            clean("[load] Failed to open a  b at x.cpp:1.npy at /x/y/io.cpp:9"),
            "[load] Failed to open a  b at x.cpp:1.npy"
        );
    }

    #[test]
    fn one_line_then_the_hint() {
        let e = Error::new(ErrorKind::Shape, "bad")
            .with_op("add")
            .with_hint("do this");
        assert_eq!(e.to_string(), "add: bad\nhint: do this");
        assert_eq!(e.clone().with_op("other").op(), Some("add"));
    }

    #[test]
    fn a_result_is_two_words() {
        assert_eq!(std::mem::size_of::<Error>(), std::mem::size_of::<usize>());
        assert!(std::mem::size_of::<Result<Array>>() <= 2 * std::mem::size_of::<usize>());
    }

    #[test]
    fn debug_reads_as_display_with_the_sources_that_say_more() {
        let inner =
            Error::new(ErrorKind::Io, "disk full").with_source(std::io::Error::other("EIO"));
        let e = Error::new(ErrorKind::Format, "cannot save")
            .with_hint("free some space")
            .with_source(inner);
        let text = "cannot save\nhint: free some space\ncaused by: disk full\ncaused by: EIO";
        assert_eq!(format!("{e:?}"), text);
        let said = Error::from(std::io::Error::other("disk"));
        assert_eq!(format!("{said:?}"), "disk");
    }

    #[test]
    fn io_errors_keep_their_source() {
        let e = Error::from(std::io::Error::other("disk"));
        assert_eq!(e.kind(), ErrorKind::Io);
        assert!(std::error::Error::source(&e).is_some());
    }
}
