//! The per-user cache: each entry is a folder that is filled once, by one process, and never changed.
//!
//! Tests: `tests/build`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt;

use super::config::{var, Config};
use super::error::{Error, Result};

/// The cache's folder.
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `MLX_SYS_CACHE`, else `mlx-sys` in the platform's folder for such files. On macOS that is not the folder for caches,
    /// which cleaners empty: built programs look for their libraries there. An earlier version's folder is used on.
    pub fn open(config: &Config) -> Result<Self> {
        let home = || var("HOME").map(PathBuf::from);
        let folder = match (var("MLX_SYS_CACHE"), config.os.as_str()) {
            (Some(folder), _) => Some(PathBuf::from(folder)),
            (None, "macos") => home().map(|home| {
                let now = home.join("Library/Application Support/mlx-sys");
                let before = home.join("Library/Caches/mlx-sys");
                match before.is_dir() && !now.exists() {
                    true => before,
                    false => now,
                }
            }),
            (None, _) => var("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| home().map(|h| h.join(".cache")))
                .map(|cache| cache.join("mlx-sys")),
        };
        let folder = folder.ok_or_else(|| {
            Error::new(
                "no folder to keep fetched and compiled files in: HOME is not set",
                "set MLX_SYS_CACHE to a folder that you can write to",
            )
        })?;
        fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, &e))?;
        // Absolute and without links: the path becomes part of the library that binaries look for.
        let root = folder
            .canonicalize()
            .map_err(|e| Error::io("find", &folder, &e))?;
        Ok(Cache { root })
    }

    /// The path of the entry `key`, whether it exists yet or not.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// The folder of the entry `key`. If it lacks the file `witness`, `fill` is called with an empty
    /// temporary folder, which is then renamed into place; a failed `fill` leaves nothing behind.
    /// Other processes that want the same entry wait for the first.
    pub fn entry(
        &self,
        key: &str,
        witness: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let done = self.path(key);
        if done.join(witness).exists() {
            return Ok(done);
        }
        let lock_path = self.root.join(format!("{key}.lock"));
        let lock = File::create(&lock_path).map_err(|e| Error::io("create", &lock_path, &e))?;
        FileExt::lock_exclusive(&lock).map_err(|e| Error::io("lock", &lock_path, &e))?;
        if done.join(witness).exists() {
            return Ok(done);
        }
        let temporary = self.root.join(format!("{key}.tmp"));
        // Left by a process that was killed: the lock shows that no process works on it now.
        remove(&temporary)?;
        remove(&done)?;
        fs::create_dir_all(&temporary).map_err(|e| Error::io("create", &temporary, &e))?;
        let filled = fill(&temporary).and_then(|()| {
            if temporary.join(witness).exists() {
                return Ok(());
            }
            Err(Error::new(
                format!("{key} came without {witness}"),
                "please report this: the pinned files have changed",
            ))
        });
        if let Err(error) = filled {
            // Best effort: the error that is worth showing is the first one.
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
        fs::rename(&temporary, &done).map_err(|e| Error::io("rename", &temporary, &e))?;
        Ok(done)
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder, &e)),
        _ => Ok(()),
    }
}

/// The folders in a folder, in order of name.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("read", folder, &e))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    Ok(found)
}

/// A hash for cache keys (FNV-1a): stable between Rust versions, not for security.
#[derive(Clone)]
pub struct Key(u64);

impl Key {
    pub fn new() -> Self {
        Key(0xcbf2_9ce4_8422_2325)
    }

    /// Adds one part; parts do not run together.
    pub fn part(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    /// Adds the contents of every file of `folder` that has one of these extensions, in order of name.
    pub fn files(self, folder: &Path, extensions: &[&str]) -> Result<Self> {
        let mut files = Vec::new();
        let entries = fs::read_dir(folder).map_err(|e| Error::io("read", folder, &e))?;
        for entry in entries {
            let path = entry.map_err(|e| Error::io("read", folder, &e))?.path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if extensions.contains(&extension) {
                files.push(path);
            }
        }
        files.sort();
        let mut key = self;
        for file in files {
            let bytes = fs::read(&file).map_err(|e| Error::io("read", &file, &e))?;
            key = key.part(bytes);
        }
        Ok(key)
    }

    /// Adds the files of `folder` and of each folder in it, in order of name.
    pub fn tree(self, folder: &Path, extensions: &[&str]) -> Result<Self> {
        let mut key = self.files(folder, extensions)?;
        for inner in folders(folder)? {
            key = key.tree(&inner, extensions)?;
        }
        Ok(key)
    }

    pub fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}
