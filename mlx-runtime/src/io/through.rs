//! Loads and saves arrays through Rust's readers and writers, and NumPy's files.
//!
//! Tests: `tests/pipes.rs`.

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use mlx_sys as sys;

use super::npy_header::NpyHeader;
use super::pipe::{caught, FileMedium, Medium, Reader, Reading, Writer, Writing};
use super::relabelled::Relabelled;
use super::{bad_file, c_path, header, io_error, open, Replacement};
use crate::containers::{MapStringToArray, MapStringToString};
use crate::device::Device;
use crate::error::check;
use crate::init::init;
use crate::lock::graph_lock;
use crate::ops::check_new_shape;
use crate::stream::{self, Stream};
use crate::{Array, Error, ErrorKind, Result};

/// The stream that MLX loads on: Metal does not load, and MLX moves to the CPU by itself only if it gets no stream.
fn loading_stream() -> Result<Stream> {
    if cfg!(target_os = "macos") {
        return Stream::default_on(Device::cpu());
    }
    stream::current_clone()
}

/// Checks a shape from a file, because MLX does not.
fn checked(op: &'static str, array: Array) -> Result<Array> {
    let bad = |e: Error| Error::new(ErrorKind::Format, e.to_string()).with_op(op);
    check_new_shape(op, array.shape()).map_err(bad)?;
    Ok(array)
}

/// The array in NumPy's format (`.npy`) that a reader gives from its beginning. It is read when the array is
/// evaluated, on another thread; the reader must not use this crate. MLX: `load`.
///
/// # Errors
/// [`ErrorKind::Format`] if it is not of that format, [`ErrorKind::Io`] if reading fails,
/// [`ErrorKind::Panic`] if the reader panics.
///
/// ```
/// use std::io::{Cursor, Seek};
/// use mlx_runtime::{io, Array};
/// let a = Array::from_slice(&[1.0f32, 2.0], &[2])?;
/// let bytes = io::save_npy_to(Cursor::new(Vec::new()), &a)?.into_inner();
/// let b = io::load_npy_from(Cursor::new(bytes))?;
/// assert_eq!(b.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn load_npy_from<R: Read + Seek + Send + 'static>(mut reader: R) -> Result<Array> {
    const OP: &str = "load_npy";
    let failed = |e: std::io::Error| Error::from(e).with_op(OP);
    let header = caught(OP, || {
        let len = reader.seek(SeekFrom::End(0)).map_err(failed)?;
        reader.rewind().map_err(failed)?;
        let bad = |what: String| Error::new(ErrorKind::Format, what).with_op(OP);
        let header = npy_header(&mut reader, len).map_err(failed)?.map_err(bad)?;
        reader.rewind().map_err(failed)?;
        Ok(header)
    })?;
    if header.is_plain {
        return npy(Reader::new(Reading(reader), "a reader")?);
    }
    let plain = Relabelled::new(header.plain(), header.data, reader);
    npy(Reader::new(Reading(plain), "a reader")?)
}

/// The array in NumPy's format in the file at `path`, which is read when the array is evaluated.
/// MLX: `load`.
///
/// # Errors
/// [`ErrorKind::Format`] if it is not of that format or cannot be read.
pub fn load_npy(path: impl AsRef<Path>) -> Result<Array> {
    const OP: &str = "load_npy";
    let path = path.as_ref();
    let (file, len) = open(OP, path)?;
    let header = npy_header(&mut &file, len)
        .map_err(|e| io_error(OP, path, e))?
        .map_err(|what| bad_file(OP, path, what))?;
    if !header.is_plain {
        return load_npy_from(file);
    }
    (&file).rewind().map_err(|e| io_error(OP, path, e))?;
    let file = FileMedium::new(file).map_err(|e| io_error(OP, path, e))?;
    npy(Reader::new(file, &path.to_string_lossy())?)
}

/// The header of a file of `len` bytes, or the fault that it has. MLX takes memory for an array before it finds that its
/// data is not there.
fn npy_header(
    reader: &mut impl Read,
    len: u64,
) -> std::io::Result<std::result::Result<NpyHeader, String>> {
    let header = match NpyHeader::read(reader)? {
        Ok(header) => header,
        bad => return Ok(bad),
    };
    let (needed, shape) = (header.bytes(), header.shape());
    let found = len.saturating_sub(header.data);
    if needed > found {
        return Ok(Err(format!(
            "expected {needed} bytes of data for shape {shape:?}, found {found}"
        )));
    }
    Ok(Ok(header))
}

/// Lets MLX read a file that was checked.
fn npy<M: Medium>(reader: Reader<M>) -> Result<Array> {
    const OP: &str = "load_npy";
    let stream = loading_stream()?;
    // SAFETY: makes a handle without a value.
    let mut out = unsafe { sys::mlx_array_new() };
    // SAFETY: reader and stream are valid, the destination null.
    let status = unsafe { sys::mlx_load_reader(&mut out, reader.as_raw(), stream.as_raw()) };
    if status != 0 {
        return Err(as_format(reader.failure(OP)));
    }
    let array = checked(OP, Array::from_handle(out, OP)?)?;
    super::reads::own(OP, [&array])?;
    Ok(array)
}

/// Turns an error of MLX about a file into [`ErrorKind::Format`]. Errors of reading and panics stay as they are.
fn as_format(e: Error) -> Error {
    match (e.kind(), e.op()) {
        (ErrorKind::Io | ErrorKind::Panic, _) | (_, None) => e,
        (_, Some(op)) => {
            let text = e.to_string();
            let text = text
                .strip_prefix(op)
                .map_or(&*text, |t| t.trim_start_matches(": "));
            Error::new(ErrorKind::Format, text).with_op(op)
        }
    }
}

/// Writes an array in NumPy's format, and gives the writer back. Evaluates the array. MLX: `save`.
///
/// # Errors
/// [`ErrorKind::Io`] if writing fails, [`ErrorKind::Panic`] if the writer panics.
pub fn save_npy_to<W: Write + Seek + Send + 'static>(writer: W, array: &Array) -> Result<W> {
    const OP: &str = "save_npy";
    array.eval()?;
    let writer = Writer::new(Writing(writer), "a writer")?;
    let status = {
        let _lock = graph_lock();
        // SAFETY: writer and array are valid.
        unsafe { sys::mlx_save_writer(writer.as_raw(), array.as_raw()) }
    };
    finish(OP, status, writer)
}

/// Writes an array in NumPy's format to the file at `path`, with `.npy` added to other names; the file is replaced
/// whole or left as it was. Evaluates the array. MLX: `save`.
///
/// # Errors
/// If the file cannot be written.
pub fn save_npy(path: impl AsRef<Path>, array: &Array) -> Result<()> {
    const OP: &str = "save_npy";
    let mut path = path.as_ref().to_owned();
    if !path.as_os_str().as_encoded_bytes().ends_with(b".npy") {
        path.as_mut_os_string().push(".npy");
    }
    let new = Replacement::new(&path, "tmp").map_err(|e| e.with_op(OP))?;
    let file = new.file().try_clone();
    save_npy_to(file.map_err(|e| io_error(OP, &path, e))?, array)?;
    new.commit().map_err(|e| e.with_op(OP))
}

fn finish<W: Write + Seek + Send + 'static>(
    op: &'static str,
    status: i32,
    writer: Writer<Writing<W>>,
) -> Result<W> {
    if status != 0 {
        return Err(writer.failure(op));
    }
    let mut writer = writer.take(op)?.0;
    writer.flush().map_err(|e| Error::from(e).with_op(op))?;
    Ok(writer)
}

/// The arrays by name, and the metadata, of a safetensors file that a reader gives: as
/// [`super::load_safetensors`], which see.
///
/// # Errors
/// As [`super::load_safetensors`], and [`ErrorKind::Panic`] if the reader panics.
pub fn load_safetensors_from<R: Read + Seek + Send + 'static>(
    mut reader: R,
) -> Result<(HashMap<String, Array>, HashMap<String, String>)> {
    const OP: &str = "load_safetensors";
    let failed = |e: std::io::Error| Error::from(e).with_op(OP);
    let header = caught(OP, || {
        let len = reader.seek(SeekFrom::End(0)).map_err(failed)?;
        reader.rewind().map_err(failed)?;
        let bad = |what: String| Error::new(ErrorKind::Format, what).with_op(OP);
        let header = header::read(&mut BufReader::new(&mut reader), len).map_err(bad)?;
        reader.rewind().map_err(failed)?;
        Ok(header)
    })?;
    let (mut arrays, metadata) = match &header.relabelled {
        None => read(reader)?,
        Some(json) => read(Relabelled::safetensors(json, header.data, reader))?,
    };
    header.values(&mut arrays)?;
    Ok((arrays, metadata))
}

/// Lets MLX read a file that was checked.
fn read<R: Read + Seek + Send + 'static>(
    reader: R,
) -> Result<(HashMap<String, Array>, HashMap<String, String>)> {
    const OP: &str = "load_safetensors";
    let reader = Reader::new(Reading(reader), "a reader")?;
    let stream = loading_stream()?;
    let (mut arrays, mut metadata) = (MapStringToArray::null(), MapStringToString::null());
    // SAFETY: reader and stream are valid, both destinations null.
    let status = unsafe {
        sys::mlx_load_safetensors_reader(
            arrays.as_out(),
            metadata.as_out(),
            reader.as_raw(),
            stream.as_raw(),
        )
    };
    if status != 0 {
        return Err(as_format(reader.failure(OP)));
    }
    let arrays = arrays.entries()?;
    for array in arrays.values() {
        checked(OP, array.clone())?;
    }
    super::reads::own(OP, arrays.values())?;
    Ok((arrays, metadata.entries()?))
}

fn maps(
    arrays: &[(String, Array)],
    metadata: &HashMap<String, String>,
) -> Result<(MapStringToArray, MapStringToString)> {
    let arrays = MapStringToArray::from_entries(arrays.iter().map(|(k, v)| (k.as_str(), v)))?;
    let metadata = MapStringToString::from_entries(metadata.iter().map(|(k, v)| (k.as_str(), v)))?;
    Ok((arrays, metadata))
}

/// Writes arrays and metadata in the safetensors format, and gives the writer back. Evaluates the
/// arrays. MLX: `save_safetensors`.
///
/// # Errors
/// [`ErrorKind::Io`] if writing fails, [`ErrorKind::Panic`] if the writer panics, or a dtype that
/// the format does not have.
pub fn save_safetensors_to<W: Write + Seek + Send + 'static>(
    writer: W,
    arrays: &[(String, Array)],
    metadata: &HashMap<String, String>,
) -> Result<W> {
    const OP: &str = "save_safetensors";
    crate::transforms::eval(&arrays.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    let (arrays, metadata) = maps(arrays, metadata)?;
    let writer = Writer::new(Writing(writer), "a writer")?;
    let status = {
        let _lock = graph_lock();
        // SAFETY: writer and maps are valid.
        unsafe {
            sys::mlx_save_safetensors_writer(writer.as_raw(), arrays.as_raw(), metadata.as_raw())
        }
    };
    finish(OP, status, writer)
}

/// As [`super::save_safetensors`], by MLX's own writer, which writes into the file at `path`: for files that must not
/// be replaced whole. MLX adds `.safetensors` to a path that does not end with it.
///
/// # Errors
/// If the file cannot be written, or for a dtype that the format does not have.
pub fn save_safetensors_in_place(
    path: impl AsRef<Path>,
    arrays: &[(String, Array)],
    metadata: &HashMap<String, String>,
) -> Result<()> {
    const OP: &str = "save_safetensors";
    init();
    crate::transforms::eval(&arrays.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    let path = c_path(OP, path.as_ref())?;
    let (arrays, metadata) = maps(arrays, metadata)?;
    let _lock = graph_lock();
    // SAFETY: path and maps are valid.
    check(OP, unsafe {
        sys::mlx_save_safetensors(path.as_ptr(), arrays.as_raw(), metadata.as_raw())
    })
}
