//! The operations of MLX, as free functions with MLX's Python names and argument order.
//!
//! Every function builds one node of the graph with one C call on the thread's current stream
//! ([`crate::stream`]); nothing is computed before an array is evaluated. Inputs are borrowed,
//! the output is a new [`Array`](crate::Array). What does not fit together is an [`crate::Error`] that names
//! the operation and the shapes; nothing panics.
//!
//! In the docs, `[..]` is any shape, and inputs that "broadcast" follow NumPy's rule: aligned at
//! the last dimension, sizes equal or 1. Two inputs of different dtypes are promoted to a common
//! one. Negative axes count from the last. Where a function takes a list of axes, the empty list
//! stands for all of them, unless its docs say otherwise.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

#[macro_use]
mod macros;

mod binary;
mod checks;
mod conv;
mod create;
pub mod fast;
pub(crate) mod index;
mod kernels;
mod linalg;
mod options;
pub mod packed;
mod quantized;
mod reduce;
mod shape;
mod sort;
pub(crate) mod starts;
mod unary;
mod words;

pub use crate::generated::conv::*;
pub use crate::generated::ops::*;
pub use crate::generated::scatter::*;
pub use binary::*;
pub(crate) use checks::*;
pub use conv::*;
pub(crate) use create::check_new_shape;
pub use create::*;
pub use index::*;
pub use linalg::*;
pub use options::Conv;
pub use quantized::*;
pub use reduce::*;
pub use shape::*;
pub use sort::*;
pub use unary::*;
pub use words::{Indexing, PadMode, Side};

use crate::{Error, Result};

/// MLX C takes three lists of one length for slices, and reads the second and third by the
/// first's length in places: they are compared here.
fn same_lengths(op: &'static str, lists: &[(&str, usize)]) -> Result<()> {
    match lists.iter().find(|(_, n)| *n != lists[0].1) {
        None => Ok(()),
        Some((name, n)) => Err(Error::shape(
            op,
            format!(
                "expected {name} to be as long as {}, {}, found {n}",
                lists[0].0, lists[0].1
            ),
        )),
    }
}

pub(crate) fn optional_float(value: Option<f32>) -> mlx_sys::mlx_optional_float {
    mlx_sys::mlx_optional_float {
        value: value.unwrap_or(0.0),
        has_value: value.is_some(),
    }
}

pub(crate) fn optional_int(value: Option<i32>) -> mlx_sys::mlx_optional_int {
    mlx_sys::mlx_optional_int {
        value: value.unwrap_or(0),
        has_value: value.is_some(),
    }
}

fn optional_dtype(value: Option<crate::Dtype>) -> mlx_sys::mlx_optional_dtype {
    mlx_sys::mlx_optional_dtype {
        value: value.unwrap_or(crate::Dtype::Float32).as_raw(),
        has_value: value.is_some(),
    }
}
