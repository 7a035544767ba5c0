//! Writes to standard output and standard error. No other module does.
//!
//! [`note`] and [`say`] write text about work in progress, and ignore a closed pipe, a closed terminal and a full disk:
//! the work matters more than the line. [`result`] writes the output of a command; its errors end the command.
//!
//! Tests: `tests/interruptions.rs`.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// An error without a message: the program ends with this exit code.
#[derive(Debug)]
pub struct Quiet(pub u8);

impl std::fmt::Display for Quiet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Quiet {}

/// The exit code of a command if its reader left, as a shell reports a program that SIGPIPE ended.
const READER_LEFT: u8 = 128 + 13;

/// True in a process whose output another one writes.
static MUTE: AtomicBool = AtomicBool::new(false);

/// Writes nothing but errors from now on, because another rank writes the same.
pub fn mute() {
    MUTE.store(true, Ordering::Relaxed);
}

/// Returns true after [`mute`].
pub fn is_mute() -> bool {
    MUTE.load(Ordering::Relaxed)
}

/// Writes the message of an error to standard error if that is possible.
pub fn error(text: impl std::fmt::Display) {
    let _ = std::io::stderr().write_all(format!("error: {text}\n").as_bytes());
}

/// Writes a line to standard error if that is possible.
pub fn note(line: impl std::fmt::Display) {
    if is_mute() {
        return;
    }
    // One write, so that lines of several threads do not mix.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Writes a line to standard output if that is possible.
pub fn say(line: impl std::fmt::Display) {
    let _ = result(format!("{line}\n"));
}

/// Writes `text` to standard output. The error is [`Quiet`] if the reader left.
pub fn result(text: impl std::fmt::Display) -> Result<()> {
    if is_mute() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(text.to_string().as_bytes())
        .and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Quiet(READER_LEFT).into()),
        written => written.context("cannot write to standard output"),
    }
}
