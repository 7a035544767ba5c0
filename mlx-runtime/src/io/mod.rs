//! Reads and writes files of arrays: safetensors, folders of them, and GGUF.
//!
//! Every file is checked in Rust before MLX sees it: a truncated or corrupt one is an [`crate::Error`] of kind
//! [`crate::ErrorKind::Format`] that describes the fault, whatever its bytes are. Saving replaces a file whole or
//! leaves the old one as it was.
//!
//! Tests: `tests/io.rs`.

mod atomic;
mod float8;
mod folder;
mod gguf;
mod header;
mod load;
mod npy_header;
mod open;
mod pipe;
pub(crate) mod reads;
mod relabelled;
mod save;
mod through;

use std::ffi::CString;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

pub(crate) use atomic::Replacement;
pub use atomic::{remove_unfinished, write_atomic};
pub use folder::load_safetensors_folder;
pub use gguf::{load_gguf, Gguf, GgufFile, GgufValue};
pub use load::load_safetensors;
pub use open::open_file;
pub use save::save_safetensors;
pub use through::{
    load_npy, load_npy_from, load_safetensors_from, save_npy, save_npy_to,
    save_safetensors_in_place, save_safetensors_to,
};

/// The values of floats that are an exponent alone (E8M0), given as bytes.
pub(crate) fn powers_of_two(bytes: &crate::Array) -> Result<crate::Array> {
    float8::Float8::E8M0.values(bytes)
}

/// A path for the C side.
pub(crate) fn c_path(op: &'static str, path: &Path) -> Result<CString> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    #[cfg(not(unix))]
    let bytes = path
        .to_str()
        .ok_or_else(|| Error::invalid(op, format!("expected a path in Unicode, found {path:?}")))?
        .as_bytes();
    CString::new(bytes)
        .map_err(|e| Error::invalid(op, format!("{path:?} contains a NUL byte")).with_source(e))
}

/// Opens a file and says how long it is. Pipes and devices are refused before they are opened: opening one can wait
/// for ever.
fn open(op: &'static str, path: &Path) -> Result<(std::fs::File, u64)> {
    let failed = |e| io_error(op, path, e);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let text = format!("{}: expected a file", path.display());
        return Err(Error::new(ErrorKind::Io, text).with_op(op));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    Ok((file, len))
}

/// An error of the operating system, with the path.
#[cold]
pub(crate) fn io_error(op: &'static str, path: &Path, e: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {e}", path.display()))
        .with_op(op)
        .with_source(e)
}

/// The error of a file with wrong contents.
#[cold]
fn bad_file(op: &'static str, path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Format, format!("{}: {what}", path.display()))
        .with_op(op)
        .with_hint("fetch or write the file again, because it is incomplete or corrupt")
}
