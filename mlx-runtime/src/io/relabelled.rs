//! A file with a rewritten header, so that MLX reads it by value.
//!
//! Tests: `tests/dtypes.rs`, `tests/pipes.rs`.

use std::io::{Read, Result, Seek, SeekFrom};

/// The file with another header before the same data.
pub(super) struct Relabelled<R> {
    header: Vec<u8>,
    /// Offset of the data in the file.
    data: u64,
    inner: R,
    at: u64,
}

impl<R: Read + Seek> Relabelled<R> {
    /// A safetensors file with another header.
    pub(super) fn safetensors(json: &[u8], data: u64, inner: R) -> Self {
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);
        Self::new(header, data, inner)
    }

    /// The file with `header` in place of the bytes before `data`.
    pub(super) fn new(header: Vec<u8>, data: u64, inner: R) -> Self {
        Relabelled {
            header,
            data,
            inner,
            at: 0,
        }
    }
}

impl<R: Read + Seek> Read for Relabelled<R> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let before = usize::try_from(self.at)
            .ok()
            .and_then(|at| self.header.get(at..));
        let n = match before {
            Some(mut rest) if !rest.is_empty() => rest.read(to)?,
            _ => {
                let past = self.at - self.header.len() as u64;
                self.inner.seek(SeekFrom::Start(self.data + past))?;
                self.inner.read(to)?
            }
        };
        self.at += n as u64;
        Ok(n)
    }
}

impl<R: Read + Seek> Seek for Relabelled<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let moved = |from: u64, by: i64| {
            from.checked_add_signed(by)
                .ok_or(std::io::Error::from(std::io::ErrorKind::InvalidInput))
        };
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => moved(self.at, by)?,
            SeekFrom::End(by) => {
                let end = self.inner.seek(SeekFrom::End(0))?;
                let data = end.saturating_sub(self.data);
                moved(self.header.len() as u64 + data, by)?
            }
        };
        Ok(self.at)
    }
}
