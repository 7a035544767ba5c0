//! Metadata values of GGUF.
//!
//! Tests: `tests/io.rs`.

/// One value of the metadata. Integers of every width and sign share a variant, floats of either
/// width another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GgufValue {
    /// True or false.
    Bool(bool),
    /// An integer; 128 bits hold every one that a file can.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// Text; bytes that are not UTF-8 are replaced.
    Text(String),
    /// A list of true and false.
    Bools(Vec<bool>),
    /// A list of integers. Those above `i64::MAX` are refused when the file is read.
    Ints(Vec<i64>),
    /// A list of floating-point numbers.
    Floats(Vec<f64>),
    /// A list of texts.
    Texts(Vec<String>),
}

impl GgufValue {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            GgufValue::Text(s) => Some(s),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            GgufValue::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            GgufValue::Int(n) => i64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            GgufValue::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            GgufValue::Float(x) => Some(*x),
            GgufValue::Int(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// The list of texts, if it is one.
    pub fn as_texts(&self) -> Option<&[String]> {
        match self {
            GgufValue::Texts(v) => Some(v),
            _ => None,
        }
    }

    /// The list of integers, if it is one.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match self {
            GgufValue::Ints(v) => Some(v),
            _ => None,
        }
    }

    /// The list of floating-point numbers, if it is one.
    pub fn as_floats(&self) -> Option<&[f64]> {
        match self {
            GgufValue::Floats(v) => Some(v),
            _ => None,
        }
    }
}
