//! Writes GGUF files.
//!
//! Tests: `tests/io.rs`.

use std::path::Path;

use mlx_sys as sys;

use super::super::{c_path, Replacement};
use crate::containers::{MlxString, VectorString};
use crate::error::{check, from_c};
use crate::handles::c_string;
use crate::init::init;
use crate::live::{live, Live};
use crate::lock::graph_lock;
use crate::{Array, Error, ErrorKind, Result};

const OP: &str = "gguf";

/// The statuses of a getter if the key is missing, or of another type.
const ABSENT: i32 = 2;
const OTHER_TYPE: i32 = 3;

/// The content of a GGUF file as MLX holds it: to be filled and saved. Owns one `mlx_io_gguf`.
///
/// ```
/// use mlx_runtime::{io, Array};
/// # let folder = std::env::temp_dir().join(format!("mlx-gguf-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("tiny.gguf");
/// let mut file = io::GgufFile::new()?;
/// file.set_array("w", &Array::from_slice(&[1.0f32, 2.0], &[2])?)?;
/// file.set_text("general.name", "tiny")?;
/// file.save(&path)?;
/// let back = io::load_gguf(&path)?;
/// assert_eq!(back.arrays["w"].to_vec::<f32>()?, [1.0, 2.0]);
/// assert_eq!(back.get("general.name")?.as_str(), Some("tiny"));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub struct GgufFile(sys::mlx_io_gguf, live!(Gguf));

impl GgufFile {
    /// A file without arrays and metadata.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn new() -> Result<Self> {
        init();
        // SAFETY: takes nothing.
        let made = Self(unsafe { sys::mlx_io_gguf_new() }, Live::new());
        if made.0.ctx.is_null() {
            return Err(from_c(OP, &[]));
        }
        Ok(made)
    }

    /// Adds an array, unless there is one of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Dtype`] for a type that GGUF files of MLX do not hold, and if the name
    /// contains a NUL byte.
    pub fn set_array(&mut self, name: &str, array: &Array) -> Result<()> {
        use crate::Dtype::{Float16, Float32, Int16, Int32, Int8};
        if !matches!(array.dtype(), Float32 | Float16 | Int8 | Int16 | Int32) || array.ndim() > 8 {
            let text = format!("cannot write {name:?}, {array:?}");
            let hint = "convert it with `ops::astype` to float32, float16, int8, int16 or int32, of at most 8 axes";
            return Err(Error::new(ErrorKind::Dtype, text)
                .with_op(OP)
                .with_hint(hint));
        }
        let name = c_string(OP, name)?;
        // SAFETY: file, name and array are valid.
        check(OP, unsafe {
            sys::mlx_io_gguf_set_array(self.0, name.as_ptr(), array.as_raw())
        })
    }

    /// Adds metadata that is a number or a list of numbers, unless there is some under that key.
    ///
    /// # Errors
    /// If the array is empty or has more than one axis, and if the key contains a NUL byte.
    pub fn set_numbers(&mut self, key: &str, numbers: &Array) -> Result<()> {
        if numbers.ndim() > 1 || numbers.size() == 0 {
            return Err(Error::shape(
                OP,
                format!("expected a list of numbers for {key:?}, found {numbers:?}"),
            ));
        }
        let key = c_string(OP, key)?;
        // SAFETY: file, key and array are valid.
        check(OP, unsafe {
            sys::mlx_io_gguf_set_metadata_array(self.0, key.as_ptr(), numbers.as_raw())
        })
    }

    /// Adds metadata that is text, unless there is some under that key.
    ///
    /// # Errors
    /// If one of the two contains a NUL byte.
    pub fn set_text(&mut self, key: &str, text: &str) -> Result<()> {
        let (key, text) = (c_string(OP, key)?, c_string(OP, text)?);
        // SAFETY: file, key and text are valid.
        check(OP, unsafe {
            sys::mlx_io_gguf_set_metadata_string(self.0, key.as_ptr(), text.as_ptr())
        })
    }

    /// Adds metadata that is a list of texts, unless there is some under that key.
    ///
    /// # Errors
    /// If one of them contains a NUL byte.
    pub fn set_texts(&mut self, key: &str, texts: &[String]) -> Result<()> {
        let key = c_string(OP, key)?;
        let texts = VectorString::from_slice(texts)?;
        // SAFETY: file, key and list are valid.
        check(OP, unsafe {
            sys::mlx_io_gguf_set_metadata_vector_string(self.0, key.as_ptr(), texts.as_raw())
        })
    }

    /// The numbers under a key; `None` if the key is missing, or has another type.
    ///
    /// # Errors
    /// If the key contains a NUL byte.
    pub fn numbers(&self, key: &str) -> Result<Option<Array>> {
        let key = c_string(OP, key)?;
        let mut yes = false;
        // SAFETY: file and key are valid, the destination outlives the call.
        let status = unsafe { sys::mlx_io_gguf_has_metadata_array(&mut yes, self.0, key.as_ptr()) };
        if !found(status)? || !yes {
            return Ok(None);
        }
        // SAFETY: makes a handle without a value.
        let mut out = unsafe { sys::mlx_array_new() };
        // SAFETY: file and key are valid, the destination null.
        found(unsafe { sys::mlx_io_gguf_get_metadata_array(&mut out, self.0, key.as_ptr()) })?;
        Array::from_handle(out, OP).map(Some)
    }

    /// The text under a key; `None` if the key is missing, or has another type.
    ///
    /// # Errors
    /// If the key contains a NUL byte.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        let key = c_string(OP, key)?;
        let mut yes = false;
        // SAFETY: file and key are valid, the destination outlives the call.
        let status =
            unsafe { sys::mlx_io_gguf_has_metadata_string(&mut yes, self.0, key.as_ptr()) };
        if !found(status)? || !yes {
            return Ok(None);
        }
        let mut out = MlxString::default();
        // SAFETY: file and key are valid, the destination is ours.
        found(unsafe { sys::mlx_io_gguf_get_metadata_string(out.as_out(), self.0, key.as_ptr()) })?;
        Ok(Some(out.as_text().into_owned()))
    }

    /// The texts under a key; `None` if the key is missing, or has another type.
    ///
    /// # Errors
    /// If the key contains a NUL byte.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>> {
        let key = c_string(OP, key)?;
        let mut yes = false;
        // SAFETY: file and key are valid, the destination outlives the call.
        let status =
            unsafe { sys::mlx_io_gguf_has_metadata_vector_string(&mut yes, self.0, key.as_ptr()) };
        if !found(status)? || !yes {
            return Ok(None);
        }
        let mut out = VectorString::null();
        // SAFETY: file and key are valid, the destination is ours.
        found(unsafe {
            sys::mlx_io_gguf_get_metadata_vector_string(out.as_out(), self.0, key.as_ptr())
        })?;
        out.iter().collect::<Result<_>>().map(Some)
    }

    /// Writes the file at `path`, which ends with `.gguf` and is replaced whole. Evaluates the
    /// arrays. MLX: `save_gguf`.
    ///
    /// # Errors
    /// If the path does not end so, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        const OP: &str = "save_gguf";
        let path = path.as_ref();
        let named = path.file_name().map(|n| n.to_string_lossy());
        if !named.is_some_and(|n| n.ends_with(".gguf")) {
            return Err(Error::invalid(
                OP,
                format!("expected a name that ends with .gguf, found {path:?}"),
            ));
        }
        let new = Replacement::new(path, "tmp.gguf").map_err(|e| e.with_op(OP))?;
        let c_path = c_path(OP, new.path())?;
        {
            let _lock = graph_lock();
            // SAFETY: path and file are valid.
            check(OP, unsafe { sys::mlx_save_gguf(c_path.as_ptr(), self.0) })?;
        }
        new.commit().map_err(|e| e.with_op(OP))
    }
}

/// Returns true if a getter found the key; other failures are errors.
fn found(status: i32) -> Result<bool> {
    match status {
        0 => Ok(true),
        ABSENT | OTHER_TYPE => Ok(false),
        _ => Err(from_c(OP, &[])),
    }
}

impl std::fmt::Debug for GgufFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GgufFile")
    }
}

impl Drop for GgufFile {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_io_gguf_free(self.0) };
    }
}
