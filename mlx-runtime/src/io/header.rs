//! Parses and checks the header of a safetensors file.
//!
//! The file is eight bytes with the header's length, the header (JSON), the data.
//! <https://github.com/huggingface/safetensors> defines the format; the checks are the same as in its Rust crate.
//!
//! Tests: `tests/io.rs`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{ErrorKind, Read};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::float8::Float8;
use crate::{Array, Dtype, Result as MlxResult};

/// The longest header. Both the reference and MLX refuse longer ones.
const MAX_HEADER: u64 = 100_000_000;

/// The parsed header of a file. The tensors' data tile the rest of the file.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// Offset of the data.
    pub(super) data: u64,
    /// The header for MLX, if the file's own has a dtype that MLX does not know.
    pub(super) relabelled: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Tensor {
    /// The dtype that MLX reads.
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<i32>,
    /// The coding of floats that MLX reads as bytes.
    float8: Option<Float8>,
}

impl Header {
    /// Converts the arrays that MLX read to the values of the file.
    pub(super) fn values(&self, arrays: &mut HashMap<String, Array>) -> MlxResult<()> {
        for (name, tensor) in &self.tensors {
            if let (Some(float8), Some(array)) = (tensor.float8, arrays.get_mut(name)) {
                *array = float8.values(array)?;
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The entries of a header, without its metadata. A header may have a hundred megabytes, so that it is not held as JSON.
struct Entries(BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(BTreeMap::new()))
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                // Strings by name, or nothing: MLX writes null for an empty map.
                map.next_value::<Option<HashMap<String, String>>>()
                    .map_err(|e| {
                        A::Error::custom(format!("expected strings by name as metadata: {e}"))
                    })?;
                continue;
            }
            let entry = map
                .next_value()
                .map_err(|e| A::Error::custom(format!("invalid entry for {name:?}: {e}")))?;
            self.0.insert(name, entry);
        }
        Ok(self)
    }
}

/// The dtype that MLX gives a tensor. It reads floats of eight bits as their bytes.
fn dtype_of(name: &str) -> Option<Dtype> {
    Some(match name {
        "BOOL" => Dtype::Bool,
        "U8" => Dtype::Uint8,
        _ if Float8::of(name).is_some() => Dtype::Uint8,
        "U16" => Dtype::Uint16,
        "U32" => Dtype::Uint32,
        "U64" => Dtype::Uint64,
        "I8" => Dtype::Int8,
        "I16" => Dtype::Int16,
        "I32" => Dtype::Int32,
        "I64" => Dtype::Int64,
        "F16" => Dtype::Float16,
        "BF16" => Dtype::Bfloat16,
        "F32" => Dtype::Float32,
        "C64" => Dtype::Complex64,
        _ => return None,
    })
}

/// The format's name for a dtype; it has none for float64 that MLX would read.
pub(super) fn name_of(dtype: Dtype) -> Option<&'static str> {
    Some(match dtype {
        Dtype::Bool => "BOOL",
        Dtype::Uint8 => "U8",
        Dtype::Uint16 => "U16",
        Dtype::Uint32 => "U32",
        Dtype::Uint64 => "U64",
        Dtype::Int8 => "I8",
        Dtype::Int16 => "I16",
        Dtype::Int32 => "I32",
        Dtype::Int64 => "I64",
        Dtype::Float16 => "F16",
        Dtype::Bfloat16 => "BF16",
        Dtype::Float32 => "F32",
        Dtype::Complex64 => "C64",
        Dtype::Float64 => return None,
    })
}

/// Reads and checks the header of a file of `len` bytes. The error describes the fault.
pub(super) fn read(file: &mut impl Read, len: u64) -> Result<Header, String> {
    let mut first = [0u8; 8];
    file.read_exact(&mut first).map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => {
            format!("not a safetensors file: expected at least 8 bytes, found {len}")
        }
        _ => format!("cannot read the header: {e}"),
    })?;
    let header_len = u64::from_le_bytes(first);
    if header_len == 0 || header_len >= MAX_HEADER {
        return Err(format!(
            "not a safetensors file: its header would have {header_len} bytes"
        ));
    }
    if header_len > len.saturating_sub(8) {
        return Err(format!(
            "the header needs {header_len} bytes, but the file has {len}"
        ));
    }
    let mut json = vec![0u8; header_len as usize];
    file.read_exact(&mut json)
        .map_err(|e| format!("cannot read the header: {e}"))?;
    parse(&json, len - 8 - header_len)
}

fn parse(json: &[u8], data_len: u64) -> Result<Header, String> {
    let Entries(entries) = serde_json::from_slice(json)
        .map_err(|e| format!("expected a JSON object of tensors as header: {e}"))?;
    let mut tensors = BTreeMap::new();
    let mut spans = Vec::with_capacity(entries.len());
    let mut unknown = false;
    for (name, entry) in entries {
        // Names go through C strings.
        if name.contains('\0') {
            return Err(format!("the name {name:?} contains a NUL byte"));
        }
        unknown |= entry.dtype == UNKNOWN;
        let (begin, end) = entry.data_offsets;
        let tensor = check_entry(&name, entry)?;
        spans.push((begin, end, name.clone()));
        tensors.insert(name, tensor);
    }
    check_tiling(spans, data_len)?;
    Ok(Header {
        tensors,
        data: 8 + json.len() as u64,
        relabelled: unknown.then(|| relabelled(json)).transpose()?,
    })
}

/// The coding that MLX does not know.
const UNKNOWN: &str = "F8_E5M2";

/// The header with bytes in place of that coding.
fn relabelled(json: &[u8]) -> Result<Vec<u8>, String> {
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(json).map_err(|e| e.to_string())?;
    for entry in header.values_mut().filter(|e| e["dtype"] == UNKNOWN) {
        entry["dtype"] = "U8".into();
    }
    serde_json::to_vec(&header).map_err(|e| e.to_string())
}

fn check_entry(name: &str, entry: Entry) -> Result<Tensor, String> {
    let dtype = dtype_of(&entry.dtype)
        .ok_or_else(|| format!("unsupported dtype of {name:?}: {:?}", entry.dtype))?;
    let float8 = Float8::of(&entry.dtype);
    let too_large = || format!("shape of {name:?} is too large: {:?}", entry.shape);
    let mut bytes = dtype.size() as u64;
    let mut shape = Vec::with_capacity(entry.shape.len());
    for &d in &entry.shape {
        bytes = bytes.checked_mul(d).ok_or_else(too_large)?;
        shape.push(i32::try_from(d).map_err(|_| too_large())?);
    }
    let (begin, end) = entry.data_offsets;
    if end.checked_sub(begin) != Some(bytes) {
        return Err(format!(
            "expected {bytes} bytes for {name:?}, found the offsets {begin} and {end}"
        ));
    }
    Ok(Tensor {
        dtype,
        shape,
        float8,
    })
}

/// Checks that each tensor begins at the end of the one before, and that the last one ends with the file.
fn check_tiling(mut spans: Vec<(u64, u64, String)>, data_len: u64) -> Result<(), String> {
    spans.sort_unstable();
    let mut at = 0;
    for (begin, end, name) in &spans {
        if *begin != at {
            return Err(format!(
                "expected the data of {name:?} at offset {at}, found {begin}"
            ));
        }
        at = *end;
    }
    if at != data_len {
        return Err(format!("expected {at} bytes of data, found {data_len}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: &str, data: usize) -> Vec<u8> {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Header, String> {
        read(&mut &bytes[..], bytes.len() as u64)
    }

    const GOOD: &str = r#"{"__metadata__":{"format":"mlx"},
        "a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},
        "b":{"dtype":"BF16","shape":[],"data_offsets":[16,18]},
        "c":{"dtype":"U8","shape":[0,3],"data_offsets":[18,18]}}   "#;

    #[test]
    fn a_good_file_is_read() {
        let h = read_all(&file(GOOD, 18)).unwrap();
        assert_eq!(h.tensors["a"].shape, [2, 2]);
        assert_eq!(h.tensors["b"].dtype, Dtype::Bfloat16);
        assert!(read_all(&file(r#"{"__metadata__":null}"#, 0)).is_ok());
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let entry = |e: &str| file(&format!(r#"{{"x":{e}}}"#), 4);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![], "at least 8 bytes"),
            (file("", 0), "0 bytes"),
            (u64::MAX.to_le_bytes().to_vec(), "would have"),
            (file(GOOD, 17), "found 17"),
            (file(GOOD, 19), "found 19"),
            (file(GOOD, 18)[..60].to_vec(), "the file has 60"),
            (file("[]", 0), "a JSON object of tensors as header"),
            (file("{", 0), "a JSON object of tensors as header"),
            (file(r#"{"__metadata__":{"a":1}}"#, 0), "metadata"),
            (entry("3"), "invalid entry"),
            (entry(r#"{"dtype":"F32","shape":[1]}"#), "invalid entry"),
            (
                entry(r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#),
                "invalid entry",
            ),
            (
                entry(r#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#),
                "invalid entry",
            ),
            (
                entry(r#"{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#),
                "F64",
            ),
            (
                entry(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#),
                "expected 8 bytes",
            ),
            (
                entry(r#"{"dtype":"F32","shape":[1],"data_offsets":[4,0]}"#),
                "offsets",
            ),
            (
                entry(r#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#),
                "at offset 0, found",
            ),
            (
                entry(r#"{"dtype":"U8","shape":[4294967296],"data_offsets":[0,4294967296]}"#),
                "too large",
            ),
            (
                entry(r#"{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#),
                "too large",
            ),
            (
                file(
                    r#"{"a\u0000":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"#,
                    1,
                ),
                "NUL",
            ),
        ];
        for (bytes, expected) in cases {
            let e = read_all(&bytes).unwrap_err();
            assert!(e.contains(expected), "{e:?} lacks {expected:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn flipped_bytes_never_panic(at in 0usize..300, bits in 1u8..=255, cut in 0usize..40) {
            let mut bytes = file(GOOD, 18);
            let n = bytes.len();
            bytes[at % n] ^= bits;
            bytes.truncate(n - cut);
            let _ = read_all(&bytes);
        }
    }
}
