//! GGUF files.

mod read;
mod value;
mod write;

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::BufReader;
use std::path::Path;

use mlx_sys as sys;

use super::{bad_file, c_path, io_error};
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
/// # Errors
/// [`ErrorKind::Io`] if the file cannot be opened (MLX opens it for writing, too),
/// [`ErrorKind::Format`] if it is truncated, corrupt, or of a kind that MLX does not read.
pub fn load_gguf(path: impl AsRef<Path>) -> Result<Gguf> {
    let path = path.as_ref();
    // MLX's reader opens the file for reading and writing, though it writes nothing; without the
    // permission it says only that it failed.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| {
            let denied = e.kind() == std::io::ErrorKind::PermissionDenied
                || e.kind() == std::io::ErrorKind::ReadOnlyFilesystem;
            let error = io_error(OP, path, e);
            if denied {
                return error.with_hint(
                    "MLX opens GGUF files for reading and writing: copy it to where you may write",
                );
            }
            error
        })?;
    let len = file.metadata().map_err(|e| io_error(OP, path, e))?.len();
    let header = read::read(BufReader::new(file), len).map_err(|what| bad_file(OP, path, what))?;

    let arrays = load_arrays(path)?;
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

fn load_arrays(path: &Path) -> Result<HashMap<String, Array>> {
    /// Owns one `mlx_io_gguf`.
    struct File(sys::mlx_io_gguf, live!(Gguf));
    impl Drop for File {
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
    let mut file = File(null, Live::new());
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
