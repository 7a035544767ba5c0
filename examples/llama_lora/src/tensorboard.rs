//! Writes scalars as TensorBoard reads them: records of protocol buffers, each with its checksums, in one file.
//!
//! Tests: `tests/reporting.rs`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// The folder in the adapter's folder.
pub const FOLDER: &str = "tensorboard";

/// A file of events.
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// A new file in `folder`, after those of earlier parts of the run: TensorBoard reads them in the order of their names.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(folder: &Path) -> Result<Events> {
        let failed = || format!("cannot write to {}", folder.display());
        fs::create_dir_all(folder).with_context(failed)?;
        let seconds = now();
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        // Two parts may begin within a second.
        let mut number = 0;
        let (path, file) = loop {
            let name = format!(
                "events.out.tfevents.{:010}.{host}.{}.{number}",
                seconds as u64,
                std::process::id()
            );
            let path = folder.join(name);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && number < 1000 => {
                    number += 1
                }
                Err(e) => return Err(e).with_context(failed),
            }
        };
        let mut events = Events { file, path };
        events.write(&version(seconds))?;
        Ok(events)
    }

    /// Adds values of one step.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let event = scalars(now(), step, values);
        self.write(&event)
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        self.file
            .write_all(&record(event))
            .and_then(|()| self.file.flush())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// `Event { wall_time, file_version }`, which every file begins with.
pub fn version(seconds: f64) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, seconds);
    bytes(&mut event, 3, b"brain.Event:2");
    event
}

/// `Event { wall_time, step, summary { value { tag, simple_value } } }`.
pub fn scalars(seconds: f64, step: u64, values: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, number) in values {
        let mut value = Vec::new();
        bytes(&mut value, 1, tag.as_bytes());
        key(&mut value, 2, 5);
        value.extend((*number as f32).to_le_bytes());
        bytes(&mut summary, 1, &value);
    }
    let mut event = Vec::new();
    double(&mut event, 1, seconds);
    key(&mut event, 2, 0);
    varint(&mut event, step);
    bytes(&mut event, 5, &summary);
    event
}

/// A record: its length, and the event, each with a checksum.
pub fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked(&length).to_le_bytes());
    out.extend(event);
    out.extend(masked(event).to_le_bytes());
    out
}

/// CRC-32C, turned and shifted so that a checksum of data with checksums in it is none of the usual ones.
fn masked(data: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn key(out: &mut Vec<u8>, field: u64, kind: u64) {
    varint(out, field << 3 | kind);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
