//! The library that is preloaded into children to fail their system calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Errors, their numbers on Linux, and what the system says.
pub const ERRORS: [(&str, i32, &str); 7] = [
    ("ENOSPC", 28, "No space left on device"),
    ("EIO", 5, "Input/output error"),
    ("EDQUOT", 122, "quota exceeded"),
    ("EINTR", 4, "Interrupted system call"),
    ("EMFILE", 24, "Too many open files"),
    ("ENOMEM", 12, "Cannot allocate memory"),
    ("EAGAIN", 11, "Resource temporarily unavailable"),
];

/// The library, built from `shim.c`.
pub struct Shim {
    library: PathBuf,
    under: PathBuf,
}

/// Calls that are changed: from the `at`th of `calls` on, `times` of them.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub calls: &'a str,
    pub at: u64,
    pub times: u64,
    pub how: &'a str,
}

impl Shim {
    /// Builds it. On Linux that must succeed.
    pub fn build(folder: &Path) -> Option<Shim> {
        if !cfg!(target_os = "linux") {
            println!("system calls are made to fail on Linux only");
            return None;
        }
        let folder = fs::canonicalize(folder).unwrap();
        let library = folder.join("shim.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tests/reliability/campaign/shim.c"
            ))
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(built.expect("a C compiler").success(), "shim.c");
        Some(Shim {
            library,
            under: folder,
        })
    }

    /// Changes calls of `command`; `seen` is where they are counted.
    pub fn preload(&self, command: &mut Command, change: Change, seen: &Path) {
        fs::write(seen, [0; 8]).unwrap();
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAULT_UNDER", &self.under)
            .env("FAULT_SEEN", seen)
            .env("FAULT_CALLS", change.calls)
            .env("FAULT_AT", change.at.to_string())
            .env("FAULT_FOR", change.times.to_string())
            .env("FAULT_HOW", change.how);
    }
}

/// How many calls were counted.
pub fn count(seen: &Path) -> u64 {
    let bytes = fs::read(seen).unwrap();
    u64::from_ne_bytes(bytes[..8].try_into().unwrap())
}
