//! Loads safetensors.
//!
//! Tests: `tests/io.rs`.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;

use mlx_sys as sys;

use super::pipe::{FileMedium, Reader};
use super::{bad_file, header, io_error, open};
use crate::device::Device;
use crate::handles::{MapStringToArray, MapStringToString};
use crate::stream::{self, Stream};
use crate::{Array, Result};

const OP: &str = "load_safetensors";

/// The arrays of a file by name, and its metadata. MLX: `load`.
///
/// Floats of eight bits (`F8_E4M3`, `F8_E5M2`, `F8_E8M0`), which MLX reads as bytes, become bfloat16 of the same value.
/// Dtypes that MLX lacks (`F64`, and floats of four and six bits) are refused.
///
/// The arrays are lazy: shapes and dtypes are known, the data is read when an array is evaluated.
/// Until then the file must stay as it is (replacing it by [`super::save_safetensors`] is fine).
///
/// # Errors
/// [`crate::ErrorKind::Io`] if the file cannot be read, [`crate::ErrorKind::Format`] if it is
/// truncated or corrupt.
pub fn load_safetensors(
    path: impl AsRef<Path>,
) -> Result<(HashMap<String, Array>, HashMap<String, String>)> {
    let path = path.as_ref();
    let (file, len) = open(OP, path)?;
    let header =
        header::read(&mut BufReader::new(&file), len).map_err(|what| bad_file(OP, path, what))?;
    if header.relabelled.is_some() {
        return super::load_safetensors_from(file);
    }

    let file = FileMedium::new(file).map_err(|e| io_error(OP, path, e))?;
    let reader = Reader::new(file, &path.to_string_lossy())?;
    let cpu;
    let stream = if cfg!(target_os = "macos") {
        // Metal does not load, and MLX moves to the CPU by itself only if it gets no stream.
        cpu = Stream::default_on(Device::cpu())?;
        cpu.as_raw()
    } else {
        stream::current()?
    };
    let mut arrays = MapStringToArray::null();
    let mut metadata = MapStringToString::null();
    // SAFETY: reader and stream are valid, both destinations null.
    let status = unsafe {
        sys::mlx_load_safetensors_reader(
            arrays.as_out(),
            metadata.as_out(),
            reader.as_raw(),
            stream,
        )
    };
    if status != 0 {
        return Err(reader.failure(OP));
    }
    let mut arrays = arrays.to_map(OP)?;
    // The file may have been replaced between the two readings.
    let same = |(name, t): (&String, &header::Tensor)| {
        arrays
            .get(name)
            .is_some_and(|a| a.dtype() == t.dtype && a.shape() == t.shape)
    };
    if arrays.len() != header.tensors.len() || !header.tensors.iter().all(same) {
        return Err(bad_file(OP, path, "the file changed while it was read"));
    }
    super::reads::own(OP, arrays.values())?;
    header.values(&mut arrays)?;
    Ok((arrays, metadata.to_map(OP)?))
}
