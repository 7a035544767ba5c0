//! Claims the adapter's folder for a run, so that no other run uses it, and sets the state of an earlier run aside.
//!
//! Tests: `tests/resume.rs`.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::io::remove_unfinished;

use super::run::CURVE;
use super::STATE;
use crate::adapter;
use crate::files::{ensure_replaceable, ensure_writable, write_atomic};
use crate::metrics::METRICS;
use crate::output;

/// The file that a run locks.
const LOCK: &str = ".lock";

/// A folder that this process trains into. Dropped, it is free again, and as it was before if no step was taken.
pub struct Claim {
    folder: PathBuf,
    /// `None` if the file system has no locks.
    lock: Option<File>,
    /// Folders that were not there before, the outermost first.
    created: Vec<PathBuf>,
    /// True if the state of an earlier run was set aside.
    aside: bool,
    /// True if there were no metrics of an earlier run.
    bare: bool,
    /// True if a step was taken.
    begun: bool,
}

impl Claim {
    /// Claims `folder` for a new run, and makes it if needed. The state of an earlier run is set aside until the new
    /// one has saved, so that the two are never mixed. An adapter in it is replaced only with `overwrite`.
    pub fn new_run(folder: &Path, overwrite: bool) -> Result<Claim> {
        let adapter = folder.join(adapter::WEIGHTS);
        ensure!(
            overwrite || length(&adapter).is_none_or(|n| n == 0),
            "{} holds an adapter already: go on with its run with --resume, choose another folder with --adapter-path, or replace it with --overwrite",
            folder.display()
        );
        let missing = folder.ancestors().take_while(|p| {
            let named = !p.as_os_str().is_empty();
            named && !p.exists()
        });
        let mut created: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        created.reverse();
        let mut claim = Claim {
            folder: folder.to_owned(),
            lock: None,
            created,
            aside: false,
            bare: !folder.join(METRICS).exists(),
            begun: false,
        };
        ensure_writable(folder)?;
        ensure_outputs(folder)?;
        claim.lock = lock(folder)?;
        let state = folder.join(STATE);
        if length(&state) > Some(0) {
            set_aside(&state)?;
            claim.aside = true;
            set_aside(&folder.join(METRICS))?;
        }
        Ok(claim)
    }

    /// Takes `folder` to go on with the run in it.
    pub fn resumed(folder: &Path) -> Result<Claim> {
        let state = folder.join(STATE);
        let mut claim = Claim {
            folder: folder.to_owned(),
            lock: None,
            created: Vec::new(),
            aside: false,
            bare: false,
            begun: false,
        };
        if folder.is_dir() {
            ensure_writable(folder)?;
            ensure_outputs(folder)?;
            claim.lock = lock(folder)?;
        }
        match length(&state) {
            None => bail!("no saved run in {}: {STATE} is missing", folder.display()),
            Some(0) => {
                let there = |name: &str| fs::canonicalize(folder.join(name));
                let (state, metrics) = (there(STATE)?, there(METRICS)?);
                bail!(
                    "no saved run in {}: the last run ended before its first save; to go on with \
                     the run before it:\n  mv {} {}\n  mv {} {}",
                    folder.display(),
                    old_name(&state).display(),
                    state.display(),
                    old_name(&metrics).display(),
                    metrics.display()
                )
            }
            Some(_) => {
                // A process that was killed may not have come to it, and this one may have nothing left to save.
                forget_old(folder);
                for file in [STATE, METRICS, CURVE, adapter::WEIGHTS, adapter::CONFIG] {
                    remove_unfinished(folder.join(file));
                }
                Ok(claim)
            }
        }
    }

    /// A step was taken: the earlier run stays aside.
    pub(super) fn begun(&mut self) {
        self.begun = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A failure here cannot be handled.
        if self.aside && !self.begun {
            for name in [STATE, METRICS] {
                let _ = put_back(&self.folder.join(name));
            }
        }
        if self.bare && !self.begun {
            let _ = fs::remove_file(self.folder.join(METRICS));
        }
        if self.lock.is_some() {
            let _ = fs::remove_file(self.folder.join(LOCK));
        }
        for folder in self.created.iter().rev() {
            // Fails if the folder is not empty.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Returns an error before the first step if a save could not replace the files.
fn ensure_outputs(folder: &Path) -> Result<()> {
    let mut names = [adapter::WEIGHTS, adapter::CONFIG, STATE, METRICS].into_iter();
    names.try_for_each(|name| ensure_replaceable(&folder.join(name)))
}

/// Removes the files that [`Claim::new_run`] set aside, because the new run has been saved.
pub(super) fn forget_old(folder: &Path) {
    for name in [STATE, METRICS] {
        // The old file lies beside the target of a link.
        if let Ok(file) = fs::canonicalize(folder.join(name)) {
            let _ = fs::remove_file(old_name(&file));
        }
    }
}

/// `state.safetensors` as `state.old.safetensors`.
fn old_name(path: &Path) -> PathBuf {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_extension(format!("old.{extension}"))
}

/// The length of a file that is there.
fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|m| m.len())
}

/// Keeps the contents of an existing file under its old name, and empties the file. The empty file has the same mode,
/// and is at the target of its link.
fn set_aside(path: &Path) -> Result<()> {
    let Ok(file) = fs::canonicalize(path) else {
        return Ok(());
    };
    let old = old_name(&file);
    let keep = || {
        if old.exists() {
            fs::remove_file(&old)?;
        }
        // Some file systems have no links.
        fs::hard_link(&file, &old).or_else(|_| fs::copy(&file, &old).map(drop))
    };
    keep().with_context(|| format!("cannot write {}", old.display()))?;
    write_atomic(path, b"")
}

fn put_back(path: &Path) -> std::io::Result<()> {
    let file = fs::canonicalize(path)?;
    fs::rename(old_name(&file), file)
}

/// Locks the folder; the kernel frees it when this process ends, however it ends.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let failed = || format!("cannot lock {}", folder.display());
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // The message does without a name that cannot be read.
                let _ = file.read_to_string(&mut owner);
                let owner = match owner.trim() {
                    "" => "another process",
                    owner => owner,
                };
                bail!(
                    "{owner} is training into {}: wait until it ends, or choose another folder with --adapter-path",
                    folder.display()
                );
            }
            Err(TryLockError::Error(e)) => {
                output::note(format_args!(
                    "cannot lock {} ({e}): make sure that no other run uses it",
                    folder.display()
                ));
                return Ok(None);
            }
        }
        // The owner before may have removed the file between the opening and the lock.
        let there = fs::metadata(&path).map(|m| (m.dev(), m.ino()));
        let ours = file.metadata().map(|m| (m.dev(), m.ino()));
        if there.ok() == ours.ok() {
            let system = rustix::system::uname();
            let host = system.nodename().to_string_lossy();
            let name = format!("process {} on {host}\n", std::process::id());
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(name.as_bytes()))
                .with_context(failed)?;
            return Ok(Some(file));
        }
    }
}
