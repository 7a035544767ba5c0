//! Replaces a file whole or not at all.
//!
//! Tests: unit tests below.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::io_error;
use crate::{Error, ErrorKind, Result};

const OP: &str = "write_atomic";

/// Replaces the file at `path` with the output of `write`, or leaves it as it was.
///
/// The bytes go to a new file in the same folder, which reaches the disk before it takes the file's name. A reader sees
/// the old file or the new one, whenever this process or the machine stops; a full disk leaves the old one. A symbolic
/// link stays one: its target is replaced, or made. A file keeps its mode, and its owner if that is allowed; a new one
/// has the mode that the umask leaves. A file that may not be written, and anything but a regular file, such as a
/// device, is refused. A process that is killed while it writes leaves `.<name>.<n>.tmp` behind, which the next write of
/// that file removes.
///
/// # Errors
/// Returns the error of `write`, or [`crate::ErrorKind::Io`].
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
    let new = Replacement::new(path.as_ref(), "tmp")?;
    let mut out = BufWriter::with_capacity(1 << 20, &new.file);
    write(&mut out)?;
    let flushed = out.into_inner().map_err(io::IntoInnerError::into_error);
    flushed.map_err(|e| io_error(OP, path.as_ref(), e))?;
    new.commit()
}

/// A file that takes another's place in [`Replacement::commit`], and is removed if it does not come to that.
pub(crate) struct Replacement {
    file: File,
    /// The path of the temporary file.
    beside: PathBuf,
    /// The path that it replaces.
    target: PathBuf,
    /// Path for messages.
    given: PathBuf,
    old: Option<Metadata>,
}

impl Replacement {
    /// An empty file beside the one at `path`, with a name that ends with `extension`.
    pub(crate) fn new(path: &Path, extension: &str) -> Result<Self> {
        let failed = |e| io_error(OP, path, e);
        let target = resolve(path).map_err(failed)?;
        let old = match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(failed(e)),
            Ok(old) => {
                check(path, &target, &old)?;
                Some(old)
            }
        };
        let (file, beside) = create_beside(path, &target, extension)?;
        Ok(Replacement {
            file,
            beside,
            target,
            given: path.to_owned(),
            old,
        })
    }

    /// The path of the temporary file, for writers that take a path.
    pub(crate) fn path(&self) -> &Path {
        &self.beside
    }

    /// The file, for other writers.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Renames the written file to the target.
    pub(crate) fn commit(mut self) -> Result<()> {
        let finish = || -> io::Result<()> {
            if let Some(old) = &self.old {
                keep_access(&self.file, old)?;
            }
            self.file.sync_all()?;
            fs::rename(&self.beside, &self.target)
        };
        finish().map_err(|e| io_error(OP, &self.given, e))?;
        // From here on another writer may use that name.
        self.beside = PathBuf::new();
        // The new name is in the folder, which must still reach the disk. Not every file system can do that, and the
        // file is whole either way.
        #[cfg(unix)]
        if let Some(folder) = folder(&self.target) {
            let _ = File::open(folder).and_then(|f| f.sync_all());
        }
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.beside.as_os_str().is_empty() {
            // Nothing is lost if this fails: the next writer removes it.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// The file that `path` leads to through symbolic links, though it may not be there.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    // The number of links that Linux follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(to) => target = folder(&target).unwrap_or(Path::new("/")).join(to),
            // A file that is no link, or no file.
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// Refuses to replace anything but a regular file, and a file that could not be opened for writing.
fn check(path: &Path, target: &Path, old: &Metadata) -> Result<()> {
    if !old.is_file() {
        return Err(not_plain(path, kind(old)));
    }
    // The links of `/proc` lead to files that may have no name.
    if !target.exists() {
        return Err(not_plain(path, "a file without a name"));
    }
    match OpenOptions::new().write(true).open(target) {
        Ok(_) => Ok(()),
        Err(e) => Err(io_error(OP, path, e)),
    }
}

fn not_plain(path: &Path, kind: &str) -> Error {
    let text = format!(
        "cannot replace {}: expected a plain file, found {kind}",
        path.display()
    );
    Error::new(ErrorKind::Io, text)
        .with_op(OP)
        .with_hint("give the name of a plain file or of a new one")
}

fn kind(of: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let of = of.file_type();
        if of.is_fifo() {
            return "a FIFO or pipe";
        }
        if of.is_char_device() || of.is_block_device() {
            return "a device";
        }
        if of.is_socket() {
            return "a socket";
        }
    }
    match of.is_dir() {
        true => "a folder",
        false => "something else",
    }
}

#[cfg(unix)]
fn same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Gives a file the mode of another, and its owner if this process may.
fn keep_access(file: &File, old: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{fchown, MetadataExt};
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // A group that may not be given leaves the file to its writer's.
            let _ = fchown(file, Some(old.uid()), Some(old.gid()))
                .or_else(|_| fchown(file, None, Some(old.gid())));
        }
    }
    file.set_permissions(old.permissions())
}

fn folder(target: &Path) -> Option<&Path> {
    let parent = target.parent()?;
    Some(if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    })
}

/// A new file in the target's folder, since a rename works only within one file system. It stays locked while it is
/// open, so that one that is not locked was left by a process that was killed.
fn create_beside(given: &Path, target: &Path, extension: &str) -> Result<(File, PathBuf)> {
    let (Some(name), Some(folder)) = (target.file_name(), folder(target)) else {
        return Err(Error::invalid(
            OP,
            format!("expected the name of a file, found {given:?}"),
        ));
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if target.exists() {
        // It becomes as readable as the old file when it is complete.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    for n in 0..10_000 {
        let path = copy_name(folder, name, n, extension);
        remove_left(&path);
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(io_error(OP, given, e)),
        };
        match file.try_lock() {
            // Another process took it for one that was left.
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if !is_at(&file, &path) => {}
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok((file, path)),
        }
    }
    let text = format!("{}: too many unfinished copies", given.display());
    Err(Error::new(ErrorKind::Io, text).with_op(OP))
}

/// Removes the unfinished copies of the file at `path` that killed writers left beside it. [`write_atomic`] removes
/// them too when it writes that file again.
pub fn remove_unfinished(path: impl AsRef<Path>) {
    let path = path.as_ref();
    let target = resolve(path).unwrap_or_else(|_| path.to_owned());
    let (Some(name), Some(folder)) = (target.file_name(), folder(&target)) else {
        return;
    };
    // Each of them took the first number that was free.
    for n in 0..10_000 {
        let left = copy_name(folder, name, n, "tmp");
        if fs::symlink_metadata(&left).is_err() {
            return;
        }
        remove_left(&left);
    }
}

/// The name of the `n`th unfinished copy of a file.
fn copy_name(folder: &Path, name: &OsStr, n: u32, extension: &str) -> PathBuf {
    // Short enough for any file system; files with names that begin alike take different numbers.
    let name: String = name.to_string_lossy().chars().take(48).collect();
    folder.join(format!(".{name}.{n}.{extension}"))
}

/// Removes a temporary file of a process that has ended.
fn remove_left(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|m| m.is_file()) {
        return;
    }
    // The lock is held until the file is removed, so that no other process takes the name.
    if let Ok(file) = File::open(path) {
        if file.try_lock().is_ok() && is_at(&file, path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// True if `path` is a name of this open file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => same(&a, &b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files in the folder, hidden ones, too.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut all: Vec<String> = entries.map(name).collect();
        all.sort();
        all
    }

    fn put(path: &Path, text: &str) -> Result<()> {
        write_atomic(path, |out| Ok(out.write_all(text.as_bytes())?))
    }

    #[test]
    fn failures_leave_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        put(&path, "old").unwrap();
        let e = write_atomic(&path, |out| {
            out.write_all(b"half of the n")?;
            Err(Error::new(ErrorKind::Mlx, "stop"))
        })
        .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Mlx);
        let panicked = std::panic::catch_unwind(|| write_atomic(&path, |_| panic!("stop")));
        assert!(panicked.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_another_writes_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        fs::write(dir.path().join(".a.txt.0.tmp"), "half").unwrap();
        write_atomic(&path, |out| {
            // A second writer at the same time.
            put(&path, "inner")?;
            assert_eq!(fs::read(&path)?, b"inner");
            Ok(out.write_all(b"outer")?)
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"outer");
        assert_eq!(names(dir.path()), ["a.txt"]);
        // A folder of that name stays.
        fs::create_dir(dir.path().join(".a.txt.0.tmp")).unwrap();
        put(&path, "new").unwrap();
        assert_eq!(names(dir.path()), [".a.txt.0.tmp", "a.txt"]);
    }

    #[test]
    fn many_writers_leave_one_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        std::thread::scope(|scope| {
            for i in 0..8 {
                let (path, text) = (&path, i.to_string().repeat(100_000));
                scope.spawn(move || (0..20).for_each(|_| put(path, &text).unwrap()));
            }
        });
        let text = fs::read(&path).unwrap();
        assert!(text.len() == 100_000 && text.iter().all(|b| b == &text[0]));
        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_may_lead_to_nothing_yet() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub/real", at("relative")).unwrap();
        symlink(at("relative"), at("twice")).unwrap();
        for text in ["made", "replaced"] {
            put(&at("twice"), text).unwrap();
            assert_eq!(fs::read_to_string(at("sub/real")).unwrap(), text);
        }
        assert!(fs::symlink_metadata(at("twice")).unwrap().is_symlink());
        assert!(fs::symlink_metadata(at("relative")).unwrap().is_symlink());
        symlink(at("loop"), at("loop")).unwrap();
        assert!(put(&at("loop"), "x").is_err());
        assert_eq!(names(dir.path()), ["loop", "relative", "sub", "twice"]);
    }

    #[cfg(unix)]
    #[test]
    fn modes_are_kept() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        put(&path, "new").unwrap();
        // The mode is the one that the umask gives to other files.
        fs::write(dir.path().join("b.txt"), "new").unwrap();
        assert_eq!(mode(&path), mode(&dir.path().join("b.txt")));
        for wanted in [0o600, 0o640, 0o666, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
            write_atomic(&path, |out| {
                // Other users cannot read the temporary file either.
                assert_eq!(mode(&dir.path().join(".a.txt.0.tmp")), 0o600);
                Ok(out.write_all(b"secret")?)
            })
            .unwrap();
            assert_eq!(mode(&path), wanted, "{wanted:o}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("fifo"))
            .status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink("/dev/null", at("null")).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let pipe = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        for (path, kind) in [
            (at("folder"), "a folder"),
            (at("socket"), "a socket"),
            (at("fifo"), "a FIFO"),
            (at("null"), "a device"),
            ("/dev/zero".into(), "a device"),
            (pipe.into(), "a FIFO or pipe"),
        ] {
            let e = put(&path, "x").unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Io);
            let text = e.to_string();
            assert!(
                text.contains(kind) && text.contains(&*path.to_string_lossy()),
                "{text}"
            );
        }
        drop(reader);
        assert_eq!(names(dir.path()), ["fifo", "folder", "null", "socket"]);
    }

    #[test]
    fn paths_that_name_no_file_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/folder/x");
        for path in [Path::new("/"), Path::new(""), &missing] {
            assert!(write_atomic(path, |_| Ok(())).is_err());
        }
        let e = put(&missing, "x").unwrap_err().to_string();
        assert!(e.contains("no/such/folder/x: "), "{e}");
        // The longest name that file systems allow.
        put(&dir.path().join("x".repeat(255)), "x").unwrap();
    }
}
