//! Replacing a file whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::io_error;
use crate::{Error, Result};

const OP: &str = "write_atomic";

/// Removes the temporary file unless it was renamed.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing is lost if this fails: the file has a name of its own.
            let _ = fs::remove_file(path);
        }
    }
}

/// Replaces the file at `path` with what `write` writes, or leaves it as it was.
///
/// The bytes go to a new file in the same folder, which reaches the disk before it takes the
/// file's name. A reader sees the old file or the new one, whenever this process or the machine
/// stops; a full disk leaves the old one. A symbolic link stays one: what it leads to is replaced.
/// A process that is killed on the way leaves `.<name>.<process>-<n>.tmp` behind.
///
/// # Errors
/// What `write` returns, or [`crate::ErrorKind::Io`].
///
/// ```
/// use std::io::Write;
/// let path = std::env::temp_dir().join("mlx-runtime-write-atomic.txt");
/// mlx_runtime::io::write_atomic(&path, |out| Ok(out.write_all(b"all of it")?))?;
/// assert_eq!(std::fs::read(&path)?, b"all of it");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn write_atomic(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let given = path.as_ref();
    let target = fs::canonicalize(given).unwrap_or_else(|_| given.to_owned());
    let (file, temporary) = create_beside(&target)?;
    let mut guard = Temporary(Some(temporary.clone()));

    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(&mut out)?;
    let finish = || -> io::Result<()> {
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &target)
    };
    finish().map_err(|e| io_error(OP, given, e))?;
    guard.0 = None;
    // The new name is in the folder: what is left is to make the folder reach the disk. Not every
    // file system can, and the file is whole either way.
    #[cfg(unix)]
    if let Some(folder) = folder(&target) {
        let _ = File::open(folder).and_then(|f| f.sync_all());
    }
    Ok(())
}

fn folder(target: &Path) -> Option<&Path> {
    let parent = target.parent()?;
    Some(if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    })
}

/// A new file in the target's folder, since a rename works only within one file system.
fn create_beside(target: &Path) -> Result<(File, PathBuf)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let (Some(name), Some(folder)) = (target.file_name(), folder(target)) else {
        return Err(Error::invalid(OP, format!("{target:?} names no file")));
    };
    loop {
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{n}.tmp", std::process::id()));
        let path = folder.join(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            // Left by a process that was killed and had the same number.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io_error(OP, &path, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn failures_leave_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_atomic(&path, |out| Ok(out.write_all(b"old")?)).unwrap();
        let e = write_atomic(&path, |out| {
            out.write_all(b"half of the n")?;
            Err(Error::new(ErrorKind::Mlx, "stop"))
        })
        .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Mlx);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_atomic(&link, |out| Ok(out.write_all(b"new")?)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn paths_that_name_no_file_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            Path::new("/"),
            Path::new(""),
            &dir.path().join("no/such/folder/x"),
        ] {
            assert!(write_atomic(path, |_| Ok(())).is_err());
        }
    }
}
