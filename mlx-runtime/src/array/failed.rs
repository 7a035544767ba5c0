//! Failed arrays: what an operator returns if its operation is refused.
//!
//! Operators cannot return a `Result`, because a result cannot stand beside a number. A failed array holds the error instead,
//! as the text of a graph node that cannot be computed. So the error also comes out where nothing looks for it: by
//! evaluation.
//!
//! Tests: unit tests below.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

use mlx_sys as sys;
use serde::{Deserialize, Serialize};

use crate::init::init;
use crate::{Array, Error, ErrorKind, Result};

/// Stands around an error in the text of a node.
const MARK: char = '\u{1}';

/// True once an operator failed in this process: until then no array is looked at.
static ANY: AtomicBool = AtomicBool::new(false);

/// The names of the operations that failed: an [`Error`] has one that lives for ever.
static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

#[derive(Serialize, Deserialize)]
struct Parts {
    kind: ErrorKind,
    op: Option<usize>,
    message: String,
    hint: Option<String>,
}

impl Array {
    /// The array, or the error of the operator that made it.
    ///
    /// Operators (`+ - * / % & | ^ << >> - !`) return an array. Where their operation is refused, for example because the
    /// shapes do not fit, that is a *failed array*: the next operation on it, or reading its value, returns the error. Of
    /// several errors it is the first. `check` returns it right away.
    ///
    /// ```
    /// use mlx_runtime::{ops, Array, ErrorKind};
    /// let (a, b) = (Array::try_from([1.0f32, 2.0])?, Array::try_from([1.0f32, 2.0, 3.0])?);
    /// let error = (&a + &b).check().unwrap_err();
    /// assert_eq!((error.op(), error.kind()), (Some("add"), ErrorKind::Shape));
    /// let later = ops::exp(&(2.0 * (&a + &b))).unwrap_err();
    /// assert_eq!(later.to_string(), error.to_string());
    /// assert_eq!((&a + 1.0).check()?.to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of the operator.
    pub fn check(self) -> Result<Array> {
        match self.failure() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// The array of a result; of an error a failed one.
    pub(crate) fn or_failed(result: Result<Array>) -> Array {
        result.unwrap_or_else(|error| Self::failed(&error))
    }

    #[cold]
    fn failed(error: &Error) -> Array {
        init();
        ANY.store(true, Ordering::Relaxed);
        let text = encode(error);
        // SAFETY: the text ends with a NUL and is copied.
        let raw = unsafe { sys::mlxrs_failed(text.as_ptr()) };
        match Array::from_handle(raw, "failed") {
            Ok(array) => array,
            // A node of a few bytes: the heap is exhausted, where Rust's own collections abort as well.
            Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[usize; 8]>()),
        }
    }

    /// The error of a failed array.
    #[inline]
    pub(crate) fn failure(&self) -> Option<Error> {
        match ANY.load(Ordering::Relaxed) {
            true => self.stored(),
            false => None,
        }
    }

    #[cold]
    fn stored(&self) -> Option<Error> {
        // SAFETY: the handle is valid.
        let text = unsafe { sys::mlxrs_failure(self.as_raw()) };
        if text.is_null() {
            return None;
        }
        // SAFETY: a text that ends with a NUL and lives until the next call, which is not before it is copied.
        let text = unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy();
        decode(&text)
    }
}

/// The error of the first failed array.
#[inline]
pub(crate) fn check_inputs<'a>(arrays: impl IntoIterator<Item = &'a Array>) -> Result<()> {
    if !ANY.load(Ordering::Relaxed) {
        return Ok(());
    }
    match arrays.into_iter().find_map(Array::stored) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn encode(error: &Error) -> CString {
    let op = error.op().map(|op| {
        let mut names = NAMES.lock().unwrap_or_else(|e| e.into_inner());
        names.iter().position(|n| *n == op).unwrap_or_else(|| {
            names.push(op);
            names.len() - 1
        })
    });
    let parts = Parts {
        kind: error.kind(),
        op,
        message: error.message().to_owned(),
        hint: error.hint().map(str::to_owned),
    };
    // JSON escapes control characters, so that neither the mark nor a NUL is in it.
    let json = serde_json::to_string(&parts).unwrap_or_default();
    // MLX C takes a message for a format of `printf`.
    let json = json.replace('%', "\\u0025");
    CString::new(format!("{MARK}{json}{MARK}")).unwrap_or_default()
}

/// The error in a message of MLX, if a failed array caused it.
pub(crate) fn decode(message: &str) -> Option<Error> {
    let json = message.split(MARK).nth(1)?;
    let parts: Parts = serde_json::from_str(json).ok()?;
    let mut error = Error::new(parts.kind, parts.message);
    let names = NAMES.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(op) = parts.op.and_then(|i| names.get(i)) {
        error = error.with_op(op);
    }
    Some(match parts.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_back_as_they_were() {
        let text = "a \"b\" 100 %s at x.cpp:1 \u{1} \n two\0lines";
        let error = Error::new(ErrorKind::Io, text)
            .with_op("load")
            .with_hint("50% of it");
        let back = decode(&format!("[eval] {}", encode(&error).to_string_lossy())).unwrap();
        assert_eq!(back.to_string(), error.to_string());
        assert_eq!(
            (back.kind(), back.op(), back.hint()),
            (error.kind(), error.op(), error.hint())
        );
        assert!(!encode(&error).to_string_lossy().contains('%'));
        assert!(decode("[add] shapes").is_none());
    }
}
