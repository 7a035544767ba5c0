//! Reads and writes GGUF files.
//!
//! Tests: `tests/io.rs`.

mod data;
mod read;
mod value;
mod write;

use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;

use super::pipe::Opened;
use super::{bad_file, io_error, open};
use crate::{Array, Error, ErrorKind, Result};

pub use value::GgufValue;
pub use write::GgufFile;

const OP: &str = "load_gguf";

/// The contents of a GGUF file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Gguf {
    /// The tensors by name. One of type Q4_0, Q4_1 or Q8_0 is a triple that
    /// [`crate::ops::quantized_matmul`] takes, with a group size of 32 and 4 or 8 bits:
    /// `x.weight`, `x.scales` and `x.biases`. F32, F16, BF16 and the integers stay as they are; Q2_K,
    /// Q4_K and Q6_K become float16.
    pub arrays: HashMap<String, Array>,
    /// The metadata by key.
    pub metadata: HashMap<String, GgufValue>,
}

/// Reads the GGUF file at `path` into memory. MLX: `load`.
///
/// # Errors
/// [`ErrorKind::Io`] if the file cannot be read, or changes while it is read; [`ErrorKind::Format`] if it is truncated,
/// corrupt, or of a kind that MLX does not read.
pub fn load_gguf(path: impl AsRef<Path>) -> Result<Gguf> {
    let path = path.as_ref();
    let (file, _) = open(OP, path)?;
    let file = Opened::new(file).map_err(|e| io_error(OP, path, e))?;
    let header = BufReader::new(file.file());
    let header = read::read(header, file.len()).map_err(|what| bad_file(OP, path, what))?;
    Ok(Gguf {
        arrays: data::arrays(&file, &header)?,
        metadata: header.metadata,
    })
}

impl Gguf {
    /// The metadata under `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] if there is none.
    pub fn get(&self, key: &str) -> Result<&GgufValue> {
        self.metadata.get(key).ok_or_else(|| {
            Error::new(
                ErrorKind::Format,
                format!("the file has no metadata {key:?}"),
            )
            .with_op("Gguf::get")
        })
    }
}
