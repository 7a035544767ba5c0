//! The operations of the row tier by their kind.
//!
//! Tests: `tests/kernels.rs`.

use crate::ir::Arg;

/// How an operation treats its axes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Values that broadcast, element by element.
    Elementwise,
    /// A new value of given sizes.
    Created,
    /// The axes of the first argument in another form.
    View,
    /// One value for all elements along axes, in argument 1.
    Reduced,
    /// Elements along the axis or axes in the argument of that place meet; the shape stays.
    Along(usize),
    /// As `Along`, always along the last axis.
    LastAxis,
    /// The axis is cut, joined or moved.
    Moved,
    /// Elements are chosen by an index.
    Taken,
}

const ELEMENTWISE: &[&str] = &[
    "abs",
    "negative",
    "square",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "round",
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "degrees",
    "radians",
    "erf",
    "erfinv",
    "sigmoid",
    "nan_to_num",
    "isnan",
    "isinf",
    "isfinite",
    "isposinf",
    "isneginf",
    "logical_not",
    "bitwise_invert",
    "astype",
    "stop_gradient",
    "contiguous",
    "zeros_like",
    "ones_like",
    "relu",
    "relu2",
    "relu6",
    "leaky_relu",
    "prelu",
    "elu",
    "celu",
    "selu",
    "silu",
    "gelu",
    "gelu_approx",
    "gelu_fast_approx",
    "mish",
    "hardswish",
    "hard_tanh",
    "hard_shrink",
    "softshrink",
    "softplus",
    "softsign",
    "log_sigmoid",
    "swiglu",
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "remainder",
    "maximum",
    "minimum",
    "power",
    "logaddexp",
    "arctan2",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
    "where_",
    "clip",
    "tril",
    "triu",
];

const VIEWS: &[&str] = &[
    "reshape",
    "broadcast_to",
    "flatten",
    "unflatten",
    "transpose",
    "swapaxes",
    "moveaxis",
    "expand_dims",
    "squeeze",
    "repeat",
];

const REDUCED: &[&str] = &[
    "sum",
    "mean",
    "max",
    "min",
    "prod",
    "logsumexp",
    "var",
    "std",
    "all",
    "any",
    "argmax",
    "argmin",
];

/// The kind of an operation, if the row tier has it.
pub(crate) fn shape(name: &str) -> Option<Shape> {
    Some(match name {
        _ if ELEMENTWISE.contains(&name) => Shape::Elementwise,
        _ if VIEWS.contains(&name) => Shape::View,
        _ if REDUCED.contains(&name) => Shape::Reduced,
        "softmax" | "softmin" | "log_softmax" => Shape::Along(1),
        "rms_norm" | "layer_norm" => Shape::LastAxis,
        "zeros" | "ones" | "full" | "arange" | "eye" | "tri" => Shape::Created,
        "concatenate" | "split" | "slice" | "pad" | "roll" | "glu" => Shape::Moved,
        "take" | "take_along_axis" => Shape::Taken,
        _ => return None,
    })
}

/// The names of all operations of the row tier.
pub fn names() -> impl Iterator<Item = &'static str> {
    let all = crate::ops::OPS.iter().map(|o| o.name);
    all.filter(|name| shape(name).is_some())
}

/// A list of axes from an argument, counted from 0; none means all.
pub(super) fn axes(arg: Option<&Arg>, rank: usize) -> Vec<usize> {
    let place = |a: i64| if a < 0 { a + rank as i64 } else { a } as usize;
    match arg {
        Some(Arg::Int(a)) => vec![place(*a)],
        Some(Arg::Ints(list)) if !list.is_empty() => list.iter().map(|a| place(*a)).collect(),
        _ => (0..rank).collect(),
    }
}

/// True if a literal flag is set.
pub(super) fn flag(arg: Option<&Arg>) -> bool {
    matches!(arg, Some(Arg::Bool(syn::Expr::Lit(l))) if matches!(&l.lit, syn::Lit::Bool(b) if b.value))
}
