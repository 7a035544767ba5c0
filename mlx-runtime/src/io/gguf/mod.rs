//! GGUF files.

mod read;
mod value;
mod write;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
use std::io::{BufReader, Seek};
use std::path::Path;

use mlx_sys as sys;
use tempfile::TempPath;

use super::{bad_file, c_path, io_error, open};
use crate::error::{check, from_c};
use crate::handles::{c_string, VectorString};
use crate::live::{live, Live};
use crate::{Array, Error, ErrorKind, Result};

pub use value::GgufValue;
pub use write::GgufFile;

const OP: &str = "load_gguf";

/// What a GGUF file holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Gguf {
    /// The tensors by name. One of type Q4_0, Q4_1 or Q8_0 is a triple that
    /// [`crate::ops::quantized_matmul`] takes, with a group size of 32 and 4 or 8 bits:
    /// `x.weight`, `x.scales` and `x.biases`. F32, F16 and the integers stay as they are; BF16,
    /// Q2_K, Q4_K and Q6_K become float16.
    pub arrays: HashMap<String, Array>,
    /// The metadata by key.
    pub metadata: HashMap<String, GgufValue>,
}

/// Reads the GGUF file at `path` into memory. MLX: `load`.
///
/// MLX opens the file for writing, too. Where that is not allowed it reads a copy, which lies in the folder for temporary
/// files meanwhile.
///
/// # Errors
/// [`ErrorKind::Io`] if the file cannot be read, or not be copied where that is needed; [`ErrorKind::Format`] if it is
/// truncated, corrupt, or of a kind that MLX does not read.
pub fn load_gguf(path: impl AsRef<Path>) -> Result<Gguf> {
    let path = path.as_ref();
    let (mut file, mut len) = open(OP, path)?;
    let copy = match OpenOptions::new().read(true).write(true).open(path) {
        Err(e) if matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem) => {
            let (copied, name) = copied(&mut file).map_err(|e| {
                io_error(OP, path, e).with_hint(
                    "MLX opens GGUF files for writing, and there is no room for a copy of this one: set TMPDIR to a folder with room",
                )
            })?;
            file = copied;
            len = file.metadata().map_err(|e| io_error(OP, path, e))?.len();
            Some(name)
        }
        Err(e) => return Err(io_error(OP, path, e)),
        Ok(_) => None,
    };
    let header = read::read(BufReader::new(file), len).map_err(|what| bad_file(OP, path, what))?;

    let arrays = load_arrays(copy.as_deref().unwrap_or(path))?;
    if let Some(t) = header
        .tensors
        .iter()
        .find(|t| !arrays.contains_key(&t.name))
    {
        return Err(bad_file(OP, path, format!("{:?} is missing", t.name)));
    }
    Ok(Gguf {
        arrays,
        metadata: header.metadata,
    })
}

/// A copy of a file, from its beginning, that goes with its name.
fn copied(file: &mut File) -> std::io::Result<(File, TempPath)> {
    let mut copy = tempfile::Builder::new().suffix(".gguf").tempfile()?;
    std::io::copy(file, copy.as_file_mut())?;
    copy.rewind()?;
    Ok(copy.into_parts())
}

fn load_arrays(path: &Path) -> Result<HashMap<String, Array>> {
    /// Owns one `mlx_io_gguf`.
    struct Read(sys::mlx_io_gguf, live!(Gguf));
    impl Drop for Read {
        fn drop(&mut self) {
            // SAFETY: owned here; null is ignored.
            unsafe { sys::mlx_io_gguf_free(self.0) };
        }
    }
    let c_path = c_path(OP, path)?;
    let stream = crate::stream::current()?;
    let null = sys::mlx_io_gguf {
        ctx: std::ptr::null_mut(),
    };
    let mut file = Read(null, Live::new());
    // SAFETY: path and stream are valid, the destination null. The file was checked: MLX's reader
    // follows its lengths and offsets without looking.
    check(OP, unsafe {
        sys::mlx_load_gguf(&mut file.0, c_path.as_ptr(), stream)
    })?;
    let mut keys = VectorString::null();
    // SAFETY: the file is valid, the destination null.
    check(OP, unsafe {
        sys::mlx_io_gguf_get_keys(keys.as_out(), file.0)
    })?;
    let mut arrays = HashMap::new();
    for name in keys.to_vec(OP)? {
        let c_name = c_string(OP, &name)?;
        let mut out = sys::mlx_array {
            ctx: std::ptr::null_mut(),
        };
        // SAFETY: file and name are valid, the destination null.
        if unsafe { sys::mlx_io_gguf_get_array(&mut out, file.0, c_name.as_ptr()) } != 0 {
            return Err(from_c(OP, &[]));
        }
        arrays.insert(name, Array::from_handle(out, OP)?);
    }
    Ok(arrays)
}

impl Gguf {
    /// The metadata under `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] if there is none.
    pub fn get(&self, key: &str) -> Result<&GgufValue> {
        self.metadata.get(key).ok_or_else(|| {
            Error::new(
                ErrorKind::Format,
                format!("the file has no metadata {key:?}"),
            )
            .with_op("Gguf::get")
        })
    }
}
