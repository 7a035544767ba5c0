//! Files of arrays: safetensors, folders of them, and GGUF.
//!
//! Every file is checked in Rust before MLX sees it: a truncated or corrupt one is an
//! [`crate::Error`] of kind [`crate::ErrorKind::Format`] that says what is wrong with it, whatever
//! its bytes are. Saving replaces a file whole or leaves the old one as it was.

mod atomic;
mod folder;
mod gguf;
mod header;
mod load;
mod pipe;
mod save;
pub(crate) mod threads;
mod through;

use std::ffi::CString;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

pub use atomic::write_atomic;
pub use folder::load_safetensors_folder;
pub use gguf::{load_gguf, Gguf, GgufFile, GgufValue};
pub use load::load_safetensors;
pub use save::save_safetensors;
pub use through::{
    load_npy, load_npy_from, load_safetensors_from, save_npy, save_npy_to,
    save_safetensors_in_place, save_safetensors_to,
};

/// A path for the C side.
pub(crate) fn c_path(op: &'static str, path: &Path) -> Result<CString> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    #[cfg(not(unix))]
    let bytes = path
        .to_str()
        .ok_or_else(|| Error::invalid(op, format!("{path:?} is not Unicode")))?
        .as_bytes();
    CString::new(bytes)
        .map_err(|e| Error::invalid(op, format!("{path:?} contains a NUL byte")).with_source(e))
}

/// An error of the operating system, with the path.
#[cold]
pub(crate) fn io_error(op: &'static str, path: &Path, e: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {e}", path.display()))
        .with_op(op)
        .with_source(e)
}

/// A file that is not what it should be.
#[cold]
fn bad_file(op: &'static str, path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Format, format!("{}: {what}", path.display()))
        .with_op(op)
        .with_hint("the file is incomplete or corrupt: fetch or write it again")
}
