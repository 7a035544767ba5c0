//! What generated code calls. Not part of the API: it changes with the macros.

pub use crate::model::bind::{bind, size, Arg, Class, Size};
pub use crate::model::layers::{run_layers, Saved};
pub use crate::model::loader::{index, join, LoadDim};
pub use crate::model::meta::Meta;
pub use crate::model::sig::{check_argument, check_result, Sig, SigType};
pub use crate::nn::linear::{joined, tied};

use crate::{Array, Dtype, Error, ErrorKind, Result};

pub mod ops;

/// A number with the dtype of `like`, so that it never widens it. Where `like` holds whole numbers
/// the macros let only whole ones through.
pub fn weak(value: f64, like: &Array) -> Result<Array> {
    match like.dtype() {
        Dtype::Int32 => Array::scalar(value as i32),
        Dtype::Uint32 => Array::scalar(value as u32),
        Dtype::Float32 => Array::scalar(value as f32),
        other => crate::ops::astype(&Array::scalar(value as f32)?, other),
    }
}

/// One of several results.
pub fn item(all: &[Array], i: usize) -> Result<Array> {
    all.get(i).cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::Mlx,
            format!(
                "an operation gave {} results, {} were expected",
                all.len(),
                i + 1
            ),
        )
    })
}

/// `a % b`; -1, which no condition wants, where `b` is 0.
pub fn remainder(a: i64, b: i64) -> i64 {
    a.checked_rem(b).unwrap_or(-1)
}

/// `a / b`; -1, which no condition wants, where `b` is 0.
pub fn quotient(a: i64, b: i64) -> i64 {
    a.checked_div(b).unwrap_or(-1)
}

/// A config's value for a message.
pub fn show(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// The body of a method whose model has mistakes; such a crate does not compile.
pub fn never<T>() -> Result<T> {
    Err(Error::new(
        ErrorKind::InvalidArgument,
        "the model's definition has mistakes",
    ))
}
