//! The form of an operation: its name, the kinds of its arguments, its rule, and what its gradient reads.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::Result;
use crate::ir::{Arg, Ctx};
use crate::syntax::dims::Dim;
use crate::syntax::signature::{Dt, Ty};

/// The kind of an argument of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum P {
    /// A tensor.
    Tensor,
    /// A tensor, or nothing.
    OptTensor,
    /// A tensor or a number, which takes the other operand's dtype.
    Operand,
    /// A tensor or a number, or nothing.
    OptOperand,
    /// `[a, b]`, a list of tensors.
    Tensors,
    /// The cache.
    Cache,
    /// One axis.
    Axis,
    /// One axis; this one when absent.
    AxisOr(i64),
    /// One axis or a list of them; absent means all.
    Axes,
    /// A list of all axes in a new order.
    Order,
    /// A number of axes, or `[[axes of a], [axes of b]]`; a number when absent.
    Contract(i64),
    /// A list of sizes.
    Dims,
    /// A list of sizes; all the same one when absent.
    DimsOr(i64),
    /// A list of pairs of sizes, `[(1, 1), (0, 2)]`.
    Pairs,
    /// One size.
    Size,
    /// One size; this number when absent.
    SizeOr(i64),
    /// One size, or nothing.
    OptSize,
    /// `[a, b]`, or one size for both.
    Pair,
    /// `[a, b]`, or one size for both; this number for both when absent.
    PairOr(i64),
    /// `[a, b]`, or one size for both, or nothing.
    OptPair,
    /// A number of equal parts, or a list of sizes.
    Parts,
    /// A whole number.
    Int,
    /// A whole number; this one when absent.
    IntOr(i64),
    /// A number from a literal or the config.
    Scalar,
    /// As `Scalar`, for whole numbers of 32 bits too.
    Wide,
    /// A number from a literal or the config; this one when absent.
    ScalarOr(f64),
    /// A number from a literal or the config, or nothing.
    OptScalar,
    /// A whole number from a literal or the config, or nothing.
    Count,
    /// A condition from a literal or the config; false when absent.
    Bool,
    /// A condition from a literal or the config; true when absent.
    True,
    /// An element type.
    Dtype,
    /// An element type; this one when absent.
    DtypeOr(Dt),
    /// `causal`, `sliding(n)`, a tensor, or nothing.
    Mask,
    /// A text.
    Text,
    /// One of some words, the first when absent.
    Word(&'static [&'static str]),
}

impl P {
    /// The value of an argument that is left out; `None` if it may not be.
    pub fn default(self) -> Option<Arg> {
        let size = |n: i64| Arg::Dims(vec![Dim::constant(n)]);
        Some(match self {
            P::OptTensor
            | P::OptOperand
            | P::OptSize
            | P::OptPair
            | P::OptScalar
            | P::Count
            | P::Bool
            | P::Mask => Arg::Absent,
            P::AxisOr(i) | P::IntOr(i) => Arg::Int(i),
            P::Axes => Arg::Ints(vec![]),
            P::Contract(n) => contract(n),
            P::DimsOr(n) | P::SizeOr(n) => size(n),
            P::PairOr(n) => Arg::Dims(vec![Dim::constant(n); 2]),
            P::ScalarOr(x) => Arg::Scalar(literal(x)),
            P::True => Arg::Bool(syn::parse_quote!(true)),
            P::DtypeOr(d) => Arg::Dtype(d),
            P::Word(words) => Arg::Text(words.first()?.to_string()),
            _ => return None,
        })
    }
}

/// A number as an expression.
fn literal(x: f64) -> syn::Expr {
    let digits = proc_macro2::Literal::f64_unsuffixed(x.abs());
    match x < 0.0 {
        true => syn::parse_quote!(-#digits),
        false => syn::parse_quote!(#digits),
    }
}

/// The last `n` axes of one tensor and the first `n` of another.
pub(crate) fn contract(n: i64) -> Arg {
    Arg::Ints((-n..0).chain(0..n).collect())
}

/// An operation.
pub struct Op {
    /// MLX's name.
    pub name: &'static str,
    /// The arguments, in MLX's order.
    pub params: &'static [(&'static str, P)],
    /// How a kernel holds it.
    pub tier: Tier,
    /// The result's type.
    pub rule: fn(&Ctx<'_>) -> Result<Ty>,
    /// The values that its gradient reads.
    pub keeps: Keeps,
}

/// How a kernel holds an operation. In all tiers but [`Tier::Launch`] it belongs to the row tier, and the variant says
/// how it treats axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Values that broadcast, element by element.
    Each,
    /// A new value of given sizes.
    Created,
    /// The axes of the first argument in another form.
    View,
    /// One value for all elements along axes, in argument 1.
    Reduced,
    /// Elements along the axis or axes in argument 1 meet; the shape stays.
    Along,
    /// Elements along the axis in the argument `axis` meet, with those of the other tensors, and the axis goes.
    Folded,
    /// As `Along`, always along the last axis.
    LastAxis,
    /// The axis is cut, joined or moved.
    Moved,
    /// Elements are chosen by an index.
    Taken,
    /// It is a launch of its own, and no part of a kernel.
    Launch,
}

impl Tier {
    /// The name in the language's reference.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Launch => "own launch",
            _ => "row",
        }
    }
}

impl Op {
    /// The name of the runtime's function for it.
    pub fn function(&self) -> String {
        self.name.replace("::", "_")
    }

    /// The values that the gradient of a call with these arguments reads.
    pub fn kept(&self, args: &[Arg]) -> Keeps {
        let number = |i: usize| matches!(args.get(i), Some(Arg::Weak { .. }));
        let other = self.keeps.of_number.iter().find(|(i, _)| number(*i));
        other.map_or(self.keeps, |(_, keeps)| *keeps)
    }
}

/// The values that a forward pass keeps because the gradient of an operation reads them.
#[derive(Clone, Copy)]
pub struct Keeps {
    /// The inputs that it reads.
    pub inputs: Inputs,
    /// True if it reads the result.
    pub output: bool,
    /// Arrays that are neither, where the operation is composed of MLX's.
    pub between: Between,
    /// The replacement of all this where an argument is a number, by the place of that argument.
    pub of_number: &'static [(usize, Keeps)],
    /// True if the result shares the memory of the first argument.
    pub view: bool,
    /// True if no gradient passes it.
    pub stops: bool,
}

/// The inputs that a gradient reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Inputs {
    /// None of them.
    None,
    /// All of them.
    All,
    /// For each tensor with a gradient, the other tensors: the operation is linear in each.
    Others,
}

/// Arrays of an operation that are neither its inputs nor its result.
#[derive(Clone, Copy)]
pub enum Between {
    /// This many arrays of the size of the result.
    Results(i64),
    /// This many arrays of the size of the first argument, because the result may be its mean.
    Firsts(i64),
    /// One array of the size of the result if all optional arguments are given, because the second of two comparisons
    /// reads the result of the first.
    IfAllGiven,
    /// One window for each value of the result.
    Windows,
    /// The scores of attention.
    Scores,
}

impl Keeps {
    /// These, and `between`.
    pub(crate) const fn and(self, between: Between) -> Keeps {
        Keeps { between, ..self }
    }

    /// These, or others where an argument is a number.
    pub(crate) const fn of_number(self, of_number: &'static [(usize, Keeps)]) -> Keeps {
        Keeps { of_number, ..self }
    }
}
