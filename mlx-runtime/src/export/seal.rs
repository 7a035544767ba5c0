//! A checksum after the data that MLX wrote. MLX reads a function's file without checks, and a changed byte may end the
//! process. MLX ignores bytes after the function.
//!
//! Tests: `tests/export.rs`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use crate::io::io_error;
use crate::{Error, ErrorKind, Result};

const MARK: &[u8; 16] = b"mlx-runtime sum\n";
/// The mark and the checksum, eight bytes, little-endian.
const SEAL: u64 = 24;

/// FNV-1a of the bytes that a reader gives: no change of one byte leaves it as it was.
fn sum(mut from: impl Read) -> std::io::Result<u64> {
    let mut sum = 0xcbf2_9ce4_8422_2325;
    let mut bytes = [0; 1 << 16];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(sum),
            n => {
                for &byte in &bytes[..n] {
                    sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
    }
}

/// Appends the checksum of the file's contents.
pub(super) fn add(op: &'static str, path: &Path) -> Result<()> {
    let add = || {
        let sum = sum(File::open(path)?)?;
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(&[&MARK[..], &sum.to_le_bytes()].concat())
    };
    add().map_err(|e| io_error(op, path, e))
}

/// Checks that the file is as it was when [`add`] returned.
pub(super) fn check(op: &'static str, path: &Path) -> Result<()> {
    let check = || {
        let found = std::fs::metadata(path)?;
        let Some(before) = found.len().checked_sub(SEAL) else {
            return Ok(false);
        };
        // A pipe would keep the caller waiting.
        if !found.is_file() {
            return Ok(false);
        }
        let mut file = File::open(path)?;
        let found = sum((&mut file).take(before))?;
        let mut seal = Vec::new();
        file.take(SEAL).read_to_end(&mut seal)?;
        Ok(seal == [&MARK[..], &found.to_le_bytes()].concat())
    };
    if check().map_err(|e| io_error(op, path, e))? {
        return Ok(());
    }
    let text = format!(
        "{}: missing or wrong checksum: the file was changed, or not written by this crate",
        path.display()
    );
    Err(Error::new(ErrorKind::Format, text).with_op(op).with_hint(
        "export the function again, or use `import_function_unchecked` for a file of MLX's own that you trust",
    ))
}
