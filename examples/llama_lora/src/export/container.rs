//! The container of a GGUF file, version 3: metadata, the list of tensors, and their data.
//!
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md> defines it.
//!
//! Tests: `tests/export.rs`.

use anyhow::{ensure, Result};

use super::{blocks, Type};

/// The data of each tensor begins at a multiple of this.
pub const ALIGNMENT: usize = 32;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    U32(u32),
    /// A number.
    F32(f32),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Numbers.
    F32s(Vec<f32>),
    /// Whole numbers.
    I32s(Vec<i32>),
}

/// A tensor of the list.
pub struct Entry {
    /// The name in the file.
    pub name: String,
    /// The type of its values.
    pub kind: Type,
    /// Rows last.
    shape: Vec<u64>,
    bytes: usize,
}

impl Entry {
    /// A tensor of `shape`, rows first, as MLX has it.
    pub fn new(name: String, shape: &[i32], kind: Type) -> Result<Entry> {
        ensure!(
            name.len() < 64 && shape.len() <= 4,
            "unsupported tensor {name}: expected a name of at most 63 bytes and at most 4 axes"
        );
        let size: usize = shape.iter().map(|&n| n.unsigned_abs() as usize).product();
        Ok(Entry {
            name,
            kind,
            shape: shape
                .iter()
                .rev()
                .map(|&n| u64::from(n.unsigned_abs()))
                .collect(),
            bytes: size * blocks::size(kind) / blocks::BLOCK,
        })
    }
}

/// The file without the data.
#[derive(Default)]
pub struct Header {
    metadata: Vec<(String, Value)>,
    /// The tensors in order.
    pub tensors: Vec<Entry>,
}

impl Header {
    /// Adds metadata.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.metadata.push((key.into(), value));
    }

    /// Everything before the data.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            write(&mut out, value);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            out.extend(tensor.shape.iter().flat_map(|n| n.to_le_bytes()));
            out.extend(number_of(tensor.kind).to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += tensor.bytes.next_multiple_of(ALIGNMENT) as u64;
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }
}

/// The number of a type in the list of tensors.
fn number_of(kind: Type) -> u32 {
    match kind {
        Type::F32 => 0,
        Type::F16 => 1,
        Type::Q4_0 => 2,
        Type::Q4_1 => 3,
        Type::Q8_0 => 8,
        Type::Bf16 => 30,
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write(out: &mut Vec<u8>, value: &Value) {
    const ARRAY: u32 = 9;
    let kind = |out: &mut Vec<u8>, n: u32| out.extend(n.to_le_bytes());
    match value {
        Value::U32(n) => {
            kind(out, 4);
            out.extend(n.to_le_bytes());
        }
        Value::F32(x) => {
            kind(out, 6);
            out.extend(x.to_le_bytes());
        }
        Value::Bool(b) => {
            kind(out, 7);
            out.push(u8::from(*b));
        }
        Value::Text(t) => {
            kind(out, 8);
            text(out, t);
        }
        Value::Texts(all) => {
            kind(out, ARRAY);
            kind(out, 8);
            out.extend((all.len() as u64).to_le_bytes());
            all.iter().for_each(|t| text(out, t));
        }
        Value::F32s(all) => {
            kind(out, ARRAY);
            kind(out, 6);
            out.extend((all.len() as u64).to_le_bytes());
            out.extend(all.iter().flat_map(|x| x.to_le_bytes()));
        }
        Value::I32s(all) => {
            kind(out, ARRAY);
            kind(out, 5);
            out.extend((all.len() as u64).to_le_bytes());
            out.extend(all.iter().flat_map(|n| n.to_le_bytes()));
        }
    }
}
