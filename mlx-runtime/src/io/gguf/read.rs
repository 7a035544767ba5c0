//! Parses the header of a GGUF file: its metadata and the list of its tensors. Little-endian throughout;
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md> defines the format.
//!
//! The data of a tensor that passes the checks here lies within the file.
//!
//! Tests: unit tests below.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use super::GgufValue;

/// The parsed header of a file.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: HashMap<String, GgufValue>,
    pub(super) tensors: Vec<Tensor>,
    /// Offset of the data.
    pub(super) data: u64,
}

#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// The shape as in MLX: the innermost dimension is the last one.
    pub(super) shape: Vec<i32>,
    /// Its index in [`TYPES`].
    pub(super) kind: u32,
    /// Offset in the data.
    pub(super) offset: u64,
    /// The number of bytes of its data.
    pub(super) bytes: usize,
}

/// A tensor type that MLX reads: number, name, elements in a block, bytes of a block.
pub(super) struct Type(
    pub(super) u32,
    pub(super) &'static str,
    pub(super) u64,
    pub(super) u64,
);

pub(super) const TYPES: &[Type] = &[
    Type(0, "F32", 1, 4),
    Type(1, "F16", 1, 2),
    Type(2, "Q4_0", 32, 18),
    Type(3, "Q4_1", 32, 20),
    Type(8, "Q8_0", 32, 34),
    Type(10, "Q2_K", 256, 84),
    Type(12, "Q4_K", 256, 144),
    Type(14, "Q6_K", 256, 210),
    Type(24, "I8", 1, 1),
    Type(25, "I16", 1, 2),
    Type(26, "I32", 1, 4),
    Type(30, "BF16", 1, 2),
];

/// MLX's reader asserts that there are no more.
const MAX_DIMS: u32 = 8;
const ALIGNMENT_KEY: &str = "general.alignment";

type Text<T> = std::result::Result<T, String>;

/// Counts the bytes left in the file, so that no length in it is trusted before it is checked.
struct Source<R> {
    inner: R,
    at: u64,
    len: u64,
}

impl<R: Read> Source<R> {
    fn bytes(&mut self, n: u64) -> Text<Vec<u8>> {
        self.room(n, 1)?;
        let mut out = vec![0; n as usize];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// Returns an error unless `n` items of at least `size` bytes can follow.
    fn room(&self, n: u64, size: u64) -> Text<()> {
        if n > (self.len - self.at) / size {
            return Err(format!(
                "the file ends within its header, at byte {}",
                self.len
            ));
        }
        Ok(())
    }

    fn fill(&mut self, out: &mut [u8]) -> Text<()> {
        self.room(out.len() as u64, 1)?;
        self.inner.read_exact(out).map_err(|e| e.to_string())?;
        self.at += out.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Text<[u8; N]> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    fn u32(&mut self) -> Text<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Text<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Text<String> {
        let n = self.u64()?;
        let bytes = self.bytes(n)?;
        Ok(match String::from_utf8(bytes) {
            Ok(s) => s,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        })
    }

    /// A name that goes through C strings.
    fn name(&mut self) -> Text<String> {
        let n = self.u64()?;
        let bytes = self.bytes(n)?;
        String::from_utf8(bytes)
            .ok()
            .filter(|s| !s.contains('\0'))
            .ok_or_else(|| format!("expected UTF-8 text before byte {}", self.at))
    }

    fn bool(&mut self) -> Text<bool> {
        match self.array::<1>()?[0] {
            0 => Ok(false),
            1 => Ok(true),
            n => Err(format!(
                "expected a bool, 0 or 1, before byte {}, found {n}",
                self.at
            )),
        }
    }

    /// An integer of a value type, or nothing if the type is another.
    fn int(&mut self, kind: u32) -> Text<Option<i128>> {
        Ok(Some(match kind {
            0 => self.array::<1>()?[0].into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => self.u32()?.into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            10 => self.u64()?.into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, kind: u32) -> Text<GgufValue> {
        if let Some(n) = self.int(kind)? {
            return Ok(GgufValue::Int(n));
        }
        match kind {
            6 => Ok(GgufValue::Float(self.float()?)),
            7 => self.bool().map(GgufValue::Bool),
            8 => self.string().map(GgufValue::Text),
            9 => self.list(),
            _ => Err(unknown(kind)),
        }
    }

    fn float(&mut self) -> Text<f64> {
        Ok(f32::from_le_bytes(self.array()?).into())
    }

    fn list(&mut self) -> Text<GgufValue> {
        let (kind, n) = (self.u32()?, self.u64()?);
        // MLX counts in C ints.
        if i32::try_from(n).is_err() {
            return Err(format!("a list of {n} entries is too long"));
        }
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10 | 11 => 8,
            _ => return Err(unknown(kind)),
        };
        self.room(n, smallest)?;
        match kind {
            6 => (0..n)
                .map(|_| self.float())
                .collect::<Text<_>>()
                .map(GgufValue::Floats),
            7 => (0..n)
                .map(|_| self.bool())
                .collect::<Text<_>>()
                .map(GgufValue::Bools),
            8 => (0..n)
                .map(|_| self.string())
                .collect::<Text<_>>()
                .map(GgufValue::Texts),
            _ => (0..n)
                .map(|_| {
                    let v = self.int(kind)?.ok_or_else(|| unknown(kind))?;
                    i64::try_from(v).map_err(|_| format!("number {v} in a list is too large"))
                })
                .collect::<Text<_>>()
                .map(GgufValue::Ints),
        }
    }
}

fn unknown(kind: u32) -> String {
    match kind {
        // MLX's reader goes on in the middle of them.
        12 => "unsupported metadata: 64-bit floats".to_owned(),
        9 => "unsupported metadata: a list of lists".to_owned(),
        _ => format!("unknown type {kind} of metadata"),
    }
}

/// Reads and checks the header of a file of `len` bytes. The error describes the fault.
pub(super) fn read(inner: impl Read, len: u64) -> Text<Header> {
    let mut source = Source { inner, at: 0, len };
    if &source.array::<4>()? != b"GGUF" {
        return Err("not a GGUF file: expected the magic number `GGUF`".to_owned());
    }
    let version = source.u32()?;
    if !(2..=3).contains(&version) {
        return Err(format!(
            "unsupported GGUF version {version}: expected 2 or 3, little-endian"
        ));
    }
    let (tensor_count, key_count) = (source.u64()?, source.u64()?);

    // The shortest pair: an empty key, a type, one byte.
    source.room(key_count, 8 + 4 + 1)?;
    let mut metadata = HashMap::new();
    let mut alignment = 32;
    for _ in 0..key_count {
        let key = source.name()?;
        let kind = source.u32()?;
        let value = source
            .value(kind)
            .map_err(|e| format!("under {key:?}: {e}"))?;
        if key == ALIGNMENT_KEY {
            // MLX's reader heeds it only as a uint32, and divides by it.
            alignment = match value.as_u64() {
                Some(a) if kind == 4 && a.is_power_of_two() => a,
                _ => {
                    return Err(format!(
                        "expected a power of two for {ALIGNMENT_KEY}, found {value:?}"
                    ))
                }
            };
        }
        if metadata.insert(key.clone(), value).is_some() {
            return Err(format!("duplicate key {key:?}"));
        }
    }

    // The shortest entry: an empty name, no dimensions, type, offset.
    source.room(tensor_count, 8 + 4 + 4 + 8)?;
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    for _ in 0..tensor_count {
        let tensor = tensor(&mut source)?;
        if !names.insert(tensor.name.clone()) {
            return Err(format!("duplicate tensor {:?}", tensor.name));
        }
        tensors.push(tensor);
    }
    // Nothing follows a header without tensors.
    let data = source.at.next_multiple_of(alignment);
    for t in &tensors {
        let (offset, bytes) = (t.offset, t.bytes);
        let end = data
            .checked_add(offset)
            .and_then(|b| b.checked_add(bytes as u64));
        if end.is_none_or(|end| end > len) {
            return Err(format!(
                "the data of {:?} would be {bytes} bytes at {offset}, beyond the file's {len}",
                t.name
            ));
        }
        if offset % alignment != 0 {
            return Err(format!(
                "expected the data of {:?} at a multiple of {alignment}, found offset {offset}",
                t.name
            ));
        }
    }
    Ok(Header {
        metadata,
        tensors,
        data,
    })
}

/// The next tensor.
fn tensor<R: Read>(source: &mut Source<R>) -> Text<Tensor> {
    let name = source.name()?;
    let n = source.u32()?;
    if n > MAX_DIMS {
        return Err(format!(
            "expected at most {MAX_DIMS} dimensions of {name:?}, found {n}"
        ));
    }
    let dims = (0..n).map(|_| source.u64()).collect::<Text<Vec<_>>>()?;
    let kind = source.u32()?;
    let Type(_, _, block, block_bytes) = TYPES.iter().find(|t| t.0 == kind).ok_or_else(|| {
        let known: Vec<_> = TYPES.iter().map(|t| t.1).collect();
        format!(
            "unsupported type {kind} of {name:?}: expected {}",
            known.join(", ")
        )
    })?;
    let offset = source.u64()?;
    let mut elements = 1u64;
    for &d in &dims {
        elements = elements
            .checked_mul(d)
            .filter(|_| i32::try_from(d).is_ok())
            .ok_or_else(|| format!("shape {dims:?} of {name:?} is too large"))?;
    }
    // GGUF's first dimension is the innermost one, along which blocks lie.
    if dims.first().copied().unwrap_or(1) % block != 0 {
        return Err(format!(
            "expected rows of a multiple of {block} for {name:?}, found shape {dims:?}"
        ));
    }
    let bytes = (elements / block)
        .checked_mul(*block_bytes)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("shape {dims:?} of {name:?} is too large"))?;
    Ok(Tensor {
        name,
        shape: dims.iter().rev().map(|&d| d as i32).collect(),
        kind,
        offset,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(out: &mut Vec<u8>, s: &str) {
        out.extend((s.len() as u64).to_le_bytes());
        out.extend(s.as_bytes());
    }

    fn pair(out: &mut Vec<u8>, key: &str, kind: u32, value: &[u8]) {
        string(out, key);
        out.extend(kind.to_le_bytes());
        out.extend(value);
    }

    fn head(version: u32, tensors: u64, keys: u64) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(version.to_le_bytes());
        out.extend(tensors.to_le_bytes());
        out.extend(keys.to_le_bytes());
        out
    }

    fn info(out: &mut Vec<u8>, name: &str, dims: &[u64], kind: u32, offset: u64) {
        string(out, name);
        out.extend((dims.len() as u32).to_le_bytes());
        out.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }

    fn list(kind: u32, n: u64, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &n.to_le_bytes(), data].concat()
    }

    /// Every kind of value, a plain and a quantised tensor.
    fn good() -> Vec<u8> {
        let mut out = head(3, 2, 9);
        pair(&mut out, "u8", 0, &[200]);
        pair(&mut out, "i64", 11, &(-5i64).to_le_bytes());
        pair(&mut out, "f32", 6, &1.5f32.to_le_bytes());
        pair(&mut out, "yes", 7, &[1]);
        let mut text = Vec::new();
        string(&mut text, "llama");
        pair(&mut out, "text", 8, &text);
        pair(
            &mut out,
            "texts",
            9,
            &list(8, 2, &[text.clone(), text].concat()),
        );
        pair(
            &mut out,
            "ints",
            9,
            &list(5, 2, &[1, 0, 0, 0, 255, 255, 255, 255]),
        );
        pair(&mut out, "floats", 9, &list(6, 1, &0.5f32.to_le_bytes()));
        pair(&mut out, "bools", 9, &list(7, 2, &[0, 1]));
        info(&mut out, "a", &[3], 0, 0);
        info(&mut out, "b.weight", &[32, 2], 2, 32);
        out.resize(out.len().next_multiple_of(32) + 32 + 36, 0);
        out
    }

    fn read_all(bytes: &[u8]) -> Text<Header> {
        read(bytes, bytes.len() as u64)
    }

    #[test]
    fn a_good_file_is_read() {
        let h = read_all(&good()).unwrap();
        assert_eq!(h.tensors.len(), 2);
        let m = |k: &str| &h.metadata[k];
        assert_eq!(m("u8").as_u64(), Some(200));
        assert_eq!(m("i64").as_i64(), Some(-5));
        assert_eq!(m("i64").as_u64(), None);
        assert_eq!(m("f32").as_f64(), Some(1.5));
        assert_eq!(m("yes").as_bool(), Some(true));
        assert_eq!(m("text").as_str(), Some("llama"));
        assert_eq!(m("texts").as_texts().unwrap().len(), 2);
        assert_eq!(m("ints").as_ints(), Some(&[1, -1][..]));
        assert_eq!(m("floats").as_floats(), Some(&[0.5][..]));
        assert_eq!(m("bools"), &GgufValue::Bools(vec![false, true]));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let file = good();
        for n in 0..file.len() {
            assert!(read_all(&file[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let one = |dims: &[u64], kind, offset| {
            let mut out = head(3, 1, 0);
            info(&mut out, "x", dims, kind, offset);
            out.resize(out.len().next_multiple_of(32) + 64, 0);
            out
        };
        let key = |key: &str, kind, value: &[u8]| {
            let mut out = head(3, 0, 1);
            pair(&mut out, key, kind, value);
            out
        };
        let mut twice = head(3, 0, 2);
        pair(&mut twice, "k", 0, &[1]);
        pair(&mut twice, "k", 0, &[1]);
        let mut same = head(3, 2, 0);
        info(&mut same, "x", &[1], 0, 0);
        info(&mut same, "x", &[1], 0, 0);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (b"GGML0000".to_vec(), "not a GGUF file"),
            (head(1, 0, 0), "version 1"),
            (head(3u32.swap_bytes(), 0, 0), "version"),
            (head(3, u64::MAX, 0), "ends within"),
            (head(3, 0, u64::MAX), "ends within"),
            (one(&[1; 9], 0, 0), "found 9"),
            (one(&[1], 4, 0), "type 4"),
            (one(&[1], 99, 0), "type 99"),
            (one(&[17], 0, 0), "beyond"),
            (one(&[1], 0, 96), "beyond"),
            (one(&[1], 0, u64::MAX - 31), "beyond"),
            (one(&[1], 0, 4), "at a multiple of 32"),
            (one(&[31], 2, 0), "multiple of 32"),
            (one(&[], 2, 0), "multiple of 32"),
            (one(&[1 << 31, 1 << 31, 1 << 31], 0, 0), "too large"),
            (
                key("general.alignment", 4, &0u32.to_le_bytes()),
                "alignment",
            ),
            (
                key("general.alignment", 4, &7u32.to_le_bytes()),
                "alignment",
            ),
            (
                key("general.alignment", 10, &32u64.to_le_bytes()),
                "alignment",
            ),
            (key("k", 7, &[2]), "a bool"),
            (key("k", 12, &[0; 8]), "64-bit floats"),
            (key("k", 13, &[0; 8]), "type 13"),
            (key("k", 9, &list(9, 1, &[0; 12])), "list of lists"),
            (key("k", 9, &list(12, 1, &[0; 8])), "64-bit floats"),
            (key("k", 9, &list(0, u64::MAX, &[])), "entries"),
            (key("k", 9, &list(0, 1 << 30, &[])), "ends within"),
            (key("a\0", 0, &[1]), "UTF-8 text"),
            (twice, "duplicate key"),
            (same, "duplicate tensor"),
        ];
        for (bytes, expected) in cases {
            let e = read_all(&bytes).unwrap_err();
            assert!(e.contains(expected), "{e:?} lacks {expected:?}");
        }
    }

    proptest! {
        #[test]
        fn flipped_bytes_never_panic(at in 0usize..400, bits in 1u8..=255, more in 0usize..64) {
            let mut file = good();
            let n = file.len();
            file[at % n] ^= bits;
            file.truncate(n - more);
            // All data of a file that passes lies within the file.
            let _ = read_all(&file);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = head(3, 1, 1);
            file.extend(noise);
            let _ = read_all(&file);
        }
    }
}
