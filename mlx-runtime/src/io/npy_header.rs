//! Reads the header of NumPy's format, a dictionary in Python's syntax.
//!
//! MLX takes the dtype and the order of axes from fixed places in the text, and reads `(2,3)` as `(2,)`. So it gets the
//! header as NumPy writes it.
//!
//! Tests: `tests/pipes.rs`.

use std::io::Read;

use crate::Dtype;

/// A value, or the fault of the header.
type Result<T> = std::result::Result<T, String>;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read. NumPy warns at 10,000 bytes.
const LONGEST: usize = 1 << 20;

/// The parts of a header.
#[derive(Debug)]
pub(super) struct NpyHeader {
    descr: String,
    fortran_order: bool,
    shape: Vec<i32>,
    dtype: Dtype,
    /// True if the file's header is in MLX's form.
    pub(super) is_plain: bool,
    /// Offset of the data in the file.
    pub(super) data: u64,
}

/// The dtypes of the format that MLX has, without the byte order.
const DTYPES: &[(&str, Dtype)] = &[
    ("b1", Dtype::Bool),
    ("i1", Dtype::Int8),
    ("i2", Dtype::Int16),
    ("i4", Dtype::Int32),
    ("i8", Dtype::Int64),
    ("u1", Dtype::Uint8),
    ("u2", Dtype::Uint16),
    ("u4", Dtype::Uint32),
    ("u8", Dtype::Uint64),
    ("f2", Dtype::Float16),
    ("f4", Dtype::Float32),
    ("f8", Dtype::Float64),
    ("c8", Dtype::Complex64),
    // How MLX and `ml_dtypes` write it.
    ("V2", Dtype::Bfloat16),
];

impl NpyHeader {
    /// Reads the header at the beginning of a file. An error of the reader is apart from a fault of the header.
    pub(super) fn read(from: &mut impl Read) -> std::io::Result<Result<Self>> {
        let mut start = [0; 8];
        let mut len = [0; 4];
        let cut = || Ok(Err("the file ends inside its header".to_owned()));
        if !fill(from, &mut start)? {
            return cut();
        }
        if &start[..6] != MAGIC {
            return Ok(Err("expected a file in NumPy's format (.npy)".to_owned()));
        }
        let version = start[6];
        let width = match version {
            1 => 2,
            2 | 3 => 4,
            _ => {
                let text = "expected version 1, 2 or 3 of NumPy's format, found";
                return Ok(Err(format!("{text} {version}")));
            }
        };
        if !fill(from, &mut len[..width])? {
            return cut();
        }
        let len = u32::from_le_bytes(len) as usize;
        if len > LONGEST {
            let text = format!("expected a header of at most {LONGEST} bytes, found {len}");
            return Ok(Err(text));
        }
        let mut text = vec![0; len];
        if !fill(from, &mut text)? {
            return cut();
        }
        let Ok(text) = String::from_utf8(text) else {
            return Ok(Err("the header is no text".to_owned()));
        };
        Ok(Parser(&text).header().map(|mut header| {
            header.data = (8 + width + len) as u64;
            // A version that MLX reads, and a text that it reads right; spaces at the end do not matter.
            let known = [header.text(), header.text_of_mlx()];
            header.is_plain = version != 3 && known.iter().any(|t| t == text.trim_end());
            header
        }))
    }

    /// The size of the array in bytes, as far as a number has it.
    pub(super) fn bytes(&self) -> u64 {
        self.shape
            .iter()
            .fold(self.dtype.size() as u64, |n, &d| n.saturating_mul(d as u64))
    }

    pub(super) fn shape(&self) -> &[i32] {
        &self.shape
    }

    /// The header up to the data, in MLX's form.
    pub(super) fn plain(&self) -> Vec<u8> {
        let text = self.text();
        let mut bytes = MAGIC.to_vec();
        bytes.extend([2, 0]);
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// The text as NumPy writes it.
    fn text(&self) -> String {
        let sizes: Vec<_> = self.shape.iter().map(i32::to_string).collect();
        let comma = if sizes.len() == 1 { "," } else { "" };
        format!("{}{}{comma}), }}", self.beginning(), sizes.join(", "))
    }

    /// The text as MLX writes it.
    fn text_of_mlx(&self) -> String {
        let sizes: String = self.shape.iter().map(|d| format!("{d}, ")).collect();
        format!("{}{sizes})}}", self.beginning())
    }

    fn beginning(&self) -> String {
        let order = if self.fortran_order { "True" } else { "False" };
        let descr = &self.descr;
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (")
    }
}

/// Returns false if the file ends before.
fn fill(from: &mut impl Read, to: &mut [u8]) -> std::io::Result<bool> {
    match from.read_exact(to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// The rest of the text.
struct Parser<'a>(&'a str);

impl Parser<'_> {
    fn header(mut self) -> Result<NpyHeader> {
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.takes('}') {
            let key = self.string()?;
            self.expect(':')?;
            let again = match &*key {
                "descr" => descr.replace(self.string()?).is_some(),
                "fortran_order" => order.replace(self.truth()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                _ => return Err(format!("the header has an unknown key \"{key}\"")),
            };
            if again {
                return Err(format!("the header has the key \"{key}\" twice"));
            }
            if !self.takes(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return Err(format!("the header goes on with {:?}", self.0.trim()));
        }
        let missing = |key| move || format!("the header has no \"{key}\"");
        let descr = descr.ok_or_else(missing("descr"))?;
        let (descr, dtype) = known(&descr)?;
        Ok(NpyHeader {
            descr,
            dtype,
            fortran_order: order.ok_or_else(missing("fortran_order"))?,
            shape: shape.ok_or_else(missing("shape"))?,
            is_plain: false,
            data: 0,
        })
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.0.trim_start();
        match rest.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<()> {
        match self.takes(c) {
            true => Ok(()),
            false => Err(self.bad(&format!("'{c}'"))),
        }
    }

    fn bad(&self, expected: &str) -> String {
        let found: String = self.0.trim_start().chars().take(20).collect();
        format!("invalid header: expected {expected}, found {found:?}")
    }

    fn string(&mut self) -> Result<String> {
        for quote in ['\'', '"'] {
            if self.takes(quote) {
                let Some((text, rest)) = self.0.split_once(quote) else {
                    return Err(self.bad("the end of a string"));
                };
                self.0 = rest;
                return Ok(text.to_owned());
            }
        }
        if self.0.trim_start().starts_with('[') {
            return Err(
                "arrays of records are not supported: save each field by itself".to_owned(),
            );
        }
        Err(self.bad("a string"))
    }

    fn truth(&mut self) -> Result<bool> {
        let rest = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = rest.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(self.bad("True or False"))
    }

    fn shape(&mut self) -> Result<Vec<i32>> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.takes(')') {
            let rest = self.0.trim_start();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let size = rest[..digits].parse::<i32>();
            shape.push(size.map_err(|_| self.bad("a size from 0 to 2147483647"))?);
            // Python 2 wrote its long numbers with it.
            self.0 = rest[digits..].strip_prefix('L').unwrap_or(&rest[digits..]);
            if !self.takes(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

/// The dtype with its byte order as NumPy writes it, and as MLX names it.
fn known(descr: &str) -> Result<(String, Dtype)> {
    let (order, kind) = match descr.chars().next() {
        Some(c @ ('<' | '>' | '|' | '=')) => (c, &descr[1..]),
        // The machine's own order.
        _ => ('=', descr),
    };
    let found = DTYPES.iter().find(|(name, _)| *name == kind);
    let Some(&(_, dtype)) = found.filter(|(_, d)| order != '>' || *d != Dtype::Bfloat16) else {
        let all: Vec<_> = DTYPES.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "dtype \"{descr}\" is not supported: expected one of {}",
            all.join(", ")
        ));
    };
    let order = match order {
        _ if dtype.size() == 1 || dtype == Dtype::Bfloat16 => '|',
        '|' => return Err(format!("dtype \"{descr}\" has no byte order")),
        '=' if cfg!(target_endian = "big") => '>',
        '=' => '<',
        given => given,
    };
    Ok((format!("{order}{kind}"), dtype))
}
