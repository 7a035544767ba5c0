//! Opens files with untrusted names.
//!
//! Tests: `tests/io.rs`.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// Opens the file at `path` for reading. Unlike [`File::open`] it takes regular files only and
/// never waits: a FIFO without a writer, a device such as `/dev/zero` and a directory are errors.
///
/// # Errors
/// Returns the error that the operating system reports, and [`ErrorKind::InvalidInput`] with the file's type if it is
/// no regular file.
pub fn open_file(path: impl AsRef<Path>) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without it, opening a FIFO waits for a writer.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    // The type of the open file, because the path may name another file by now.
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let found = if kind.is_dir() {
        "a directory"
    } else {
        special(kind)
    };
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("expected a file, found {found}"),
    ))
}

#[cfg(unix)]
fn special(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "something else"
    }
}

#[cfg(not(unix))]
fn special(_: std::fs::FileType) -> &'static str {
    "something else"
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn only_files_are_opened_and_nothing_waits() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, dir.path().join("link")).unwrap();
        let mut text = String::new();
        let mut open = open_file(dir.path().join("link")).unwrap();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");

        let fifo = dir.path().join("fifo");
        let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
        // SAFETY: `name` is a NUL-terminated path that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, word) in [
            (fifo.as_path(), "a FIFO"),
            (dir.path(), "a directory"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = open_file(path).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        // The operating system itself opens no socket.
        assert!(open_file(&socket).is_err());
        let missing = open_file(dir.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
