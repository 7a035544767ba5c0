//! Writes a model as a GGUF file for llama.cpp: its names, its order of rows, its blocks of packed values, and the
//! tokenizer in the metadata.
//!
//! Tests: `tests/export.rs`.

mod blocks;
mod container;
mod metadata;
mod vocab;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use mlx_runtime::{memory, ops, Dtype};

use crate::checkpoint::{Change, Names};
use crate::fuse::Merged;
use crate::progress::Counter;
use container::{Entry, Header};

/// The type of the values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the range of float32.
    Bf16,
    /// Blocks of 32 values of 8 bits with a scale.
    #[value(name = "q8_0")]
    Q8_0,
    /// Blocks of 32 values of 4 bits with a scale.
    #[value(name = "q4_0")]
    Q4_0,
    /// Blocks of 32 values of 4 bits with a scale and a minimum.
    #[value(name = "q4_1")]
    Q4_1,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |v| v.get_name()))
    }
}

/// The values of a tensor of the file.
enum Source {
    /// A tensor of the model, changed.
    Model(String, Change),
    /// These numbers.
    Numbers(Vec<f32>),
}

/// Everything about the file but the values.
pub struct Plan<'m> {
    merged: &'m Merged,
    header: Header,
    sources: Vec<Source>,
}

impl<'m> Plan<'m> {
    /// Plans the file. Reads no values.
    ///
    /// # Errors
    /// If llama.cpp has no such model or no such tokenizer.
    pub fn new(merged: &'m Merged, matrices: Type) -> Result<Self> {
        let names = Names::of(&merged.config)?;
        let mut header = Header::default();
        metadata::write(&mut header, merged, names.architecture, matrices)?;
        vocab::write(&mut header, merged).context("cannot write the tokenizer as llama.cpp's")?;
        let mut sources = Vec::new();
        for name in merged.names() {
            let (theirs, change) = names.to_gguf(&name)?;
            let shape = merged.shape(&name)?;
            let kind = kind_of(&theirs, &shape, matrices);
            header.tensors.push(Entry::new(theirs, &shape, kind)?);
            sources.push(Source::Model(name, change));
        }
        for (name, numbers) in metadata::tables(&merged.config)? {
            let shape = [i32::try_from(numbers.len())?];
            header.tensors.push(Entry::new(name, &shape, Type::F32)?);
            sources.push(Source::Numbers(numbers));
        }
        Ok(Plan {
            merged,
            header,
            sources,
        })
    }

    /// Writes the file at `path` and returns its length. `asked` is an error if the user wants to stop.
    pub fn write(&self, path: &Path, asked: &dyn Fn() -> Result<()>) -> Result<u64> {
        let counter = Counter::new("tensors exported", self.sources.len());
        // The writer's error type is the library's; any other error waits here.
        let mut failed = None;
        let mut length = 0;
        let written = mlx_runtime::io::write_atomic(path, |out| {
            let mut put = |bytes: &[u8]| -> mlx_runtime::Result<()> {
                length += bytes.len() as u64;
                Ok(out.write_all(bytes)?)
            };
            put(&self.header.bytes())?;
            for (done, (entry, source)) in self.header.tensors.iter().zip(&self.sources).enumerate()
            {
                let bytes = asked().and_then(|()| self.bytes(entry, source));
                match bytes {
                    Ok(bytes) => put(&bytes)?,
                    Err(error) => {
                        failed = Some(error);
                        let text = "the export was given up";
                        return Err(mlx_runtime::Error::new(mlx_runtime::ErrorKind::Io, text));
                    }
                }
                counter.set(done + 1);
            }
            Ok(())
        });
        match failed {
            Some(error) => Err(error),
            None => {
                written?;
                Ok(length)
            }
        }
    }

    /// The values of a tensor as the file holds them, padded.
    fn bytes(&self, entry: &Entry, source: &Source) -> Result<Vec<u8>> {
        let mut bytes = match source {
            Source::Numbers(numbers) => blocks::bytes(numbers, entry.kind),
            Source::Model(name, change) => {
                let values = change.to_gguf(&self.merged.dense(name)?)?;
                let numbers = ops::astype(&values, Dtype::Float32)?.to_vec::<f32>()?;
                drop(values);
                memory::clear_cache()?;
                blocks::bytes(&numbers, entry.kind)
            }
        };
        bytes.resize(bytes.len().next_multiple_of(container::ALIGNMENT), 0);
        Ok(bytes)
    }
}

/// Vectors stay in float32. The table and the output matrix lose most by packing, so that they have 8 bits where others
/// have 4; rows that blocks do not divide stay in 16 bits.
fn kind_of(name: &str, shape: &[i32], matrices: Type) -> Type {
    let packed = matches!(matrices, Type::Q8_0 | Type::Q4_0 | Type::Q4_1);
    let row = shape.last().copied().unwrap_or(0);
    match shape.len() {
        0 | 1 => Type::F32,
        _ if packed && row % blocks::BLOCK as i32 != 0 => Type::F16,
        _ if packed && matches!(name, "token_embd.weight" | "output.weight") => Type::Q8_0,
        _ => matrices,
    }
}
