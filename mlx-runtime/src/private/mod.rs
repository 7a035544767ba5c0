//! Functions that generated code calls. Not part of the API: it changes with the macros.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

pub use crate::array::indexing::step;
pub use crate::kernels::rows;
pub use crate::model::bind::{bind, size, Arg, Class, Size};
pub use crate::model::check::{check_field, check_require};
pub use crate::model::definition::Definition;
pub use crate::model::layers::{
    run_layers, run_loop, run_scan, run_steps, saved_layers, Computed, Saved,
};
pub use crate::model::layout::{
    Digest, DigestPart, DigestTensor, Fact, FactOp, FieldLayout, Holds, Layout, RequireLayout,
    TensorLayout,
};
pub use crate::model::loader::{index, join, LoadDim};
pub use crate::model::meta::{describe, Meta};
pub use crate::model::names::{named, NamePart, Names};
pub use crate::model::quantise::Quantise;
pub use crate::model::sig::check_name;
pub use crate::model::sig::{
    check_argument, check_count, check_gradient, check_result, Place, Sig, SigType,
};
pub use crate::model::trainable::{check_state, frozen, set_trained};
pub use crate::nn::linear::{forward_packed, tied, together};
pub use crate::nn::loss::projected;
pub use crate::nn::{attention, joined_attention, Norm};

use crate::{Array, Dtype, Error, ErrorKind, Result};

mod config;
pub mod editor;
pub mod ops;

pub use config::{
    element_number, element_whole, estimated_whole, Given, GuardedNumber, GuardedWhole, Number,
    Text, Whole,
};

/// Types with which generated code describes its model.
pub mod explain {
    pub use crate::explain::lines::{Lines, Written};
    pub use crate::explain::Outline;
}

/// Facts of a config, with names that no type of a user has.
pub mod layout {
    use super::{Fact, FactOp};

    pub use Fact::{
        Binary as __Binary, Config as __Config, IsSome as __IsSome, Layer as __Layer, Not as __Not,
        Number as __Number, Unknown as __Unknown,
    };
    pub use FactOp::{
        Add as __Add, And as __And, Div as __Div, Eq as __Eq, Ge as __Ge, Gt as __Gt, Le as __Le,
        Lt as __Lt, Mul as __Mul, Ne as __Ne, Or as __Or, Rem as __Rem, Sub as __Sub,
    };

    /// True.
    pub const __ALWAYS: Fact = Fact::Number(1.0);
}

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
                "expected {1} results of an operation, found {0}",
                all.len(),
                i + 1
            ),
        )
    })
}

/// The result of a model that has one.
pub fn first(mut all: Vec<Array>) -> Result<Array> {
    match all.len() {
        1 => Ok(all.swap_remove(0)),
        n => item(&[], 0).map_err(|e| e.with_hint(format!("expected one result, found {n}"))),
    }
}

/// The arrays of a call through [`Definition::call`], exactly `N` of them.
pub fn arguments<'a, 'b, const N: usize>(
    what: &str,
    arrays: &'a [&'b Array],
) -> Result<&'a [&'b Array; N]> {
    arrays.try_into().map_err(|_| {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("{what}: expected {N} arrays, found {}", arrays.len()),
        )
    })
}

/// A layer that exists where it is used, since an `if` around says so.
pub fn present<'a, T>(layer: &'a Option<T>, name: &str) -> Result<&'a T> {
    layer.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("`{name}` is absent: the model was loaded without it"),
        )
    })
}

/// The dtype of a helper function's activations: the dtype of its first array that may have any.
pub fn float_of(arrays: &[&Array]) -> Dtype {
    let float = |d: &Dtype| matches!(d, Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16);
    let mut dtypes = arrays.iter().map(|a| a.dtype());
    dtypes.find(float).unwrap_or(Dtype::Float32)
}

/// `a / b` in a condition: without a rest where both are whole, as Rust divides them.
pub fn divide(a: f64, b: f64) -> f64 {
    let whole = a.fract() == 0.0 && b.fract() == 0.0;
    if whole {
        (a / b).trunc()
    } else {
        a / b
    }
}

/// A whole number of 1 or more, such as the keys that a query sees.
pub fn count(value: f64) -> Result<i32> {
    let fits = value.fract() == 0.0 && value >= 1.0 && value <= f64::from(i32::MAX);
    if fits {
        return Ok(value as i32);
    }
    Err(Error::new(
        ErrorKind::InvalidArgument,
        format!("expected a whole number of 1 or more, found {value}"),
    ))
}

/// `a / b`; -1, which is no size, where `b` is 0.
pub fn quotient(a: i64, b: i64) -> i64 {
    a.checked_div(b).unwrap_or(-1)
}

/// The size of axis `j` of shape `i`; 1 if it is not there.
pub fn size_at(shapes: &[&[i64]], i: usize, j: usize) -> i64 {
    let shape = shapes.get(i).and_then(|s| s.get(j));
    shape.copied().unwrap_or(1)
}

/// `c * a * b * ..`, which saturates.
pub fn product(c: i64, factors: &[i64]) -> i64 {
    factors.iter().fold(c, |all, f| all.saturating_mul(*f))
}

/// A sum of products, which saturates.
pub fn sum(terms: &[(i64, &[i64])]) -> i64 {
    let products = terms.iter().map(|(c, factors)| product(*c, factors));
    products.fold(0, i64::saturating_add)
}

/// Refuses a call of a function that requires other sizes.
pub fn require(what: &str, text: &str, holds: bool, sizes: &[(&str, i64)]) -> Result<()> {
    if holds {
        return Ok(());
    }
    let sizes: Vec<String> = sizes.iter().map(|(n, v)| format!("{n} = {v}")).collect();
    Err(Error::new(
        ErrorKind::Shape,
        format!("{what} requires {text}, but {}", sizes.join(", ")),
    ))
}

/// Refuses sizes of a call of which a quotient is not whole.
pub fn whole_quotient(what: &str, text: &str, of: i64, by: i64) -> Result<()> {
    if of.checked_rem(by) == Some(0) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Shape,
        format!("{what}: expected a whole number {text}, found {of} / {by}"),
    ))
}

/// A config's value for a message.
pub fn show(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// The body of a method whose model has mistakes; such a crate does not compile.
pub fn never<T>() -> Result<T> {
    Err(Error::new(
        ErrorKind::InvalidArgument,
        "the model's definition has errors",
    ))
}
