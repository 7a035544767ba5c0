//! The table of operations: MLX's names and argument order, and the rule that gives each its
//! result's shape and dtype.

use proc_macro2::Span;

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Graph, Id, Kind};
use crate::ops::rules;
use crate::syntax::dims::{Dim, Names, Shape};
use crate::syntax::logic::Facts;
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
    /// The result's type.
    pub rule: fn(&Ctx<'_>) -> Result<Ty>,
}

/// A call as its rule sees it.
pub struct Ctx<'a> {
    /// The operation.
    pub op: &'static Op,
    /// The arguments.
    pub args: &'a [Arg],
    /// The place of each argument.
    pub spans: &'a [Span],
    /// The place of the call.
    pub span: Span,
    /// The graph so far.
    pub graph: &'a Graph,
    /// Names for sizes.
    pub names: &'a Names,
    /// The conditions that are required, or asked by the `if`s around.
    pub facts: &'a Facts,
}

const A: (&str, P) = ("a", P::Tensor);
const B: (&str, P) = ("b", P::Tensor);
const X: (&str, P) = ("x", P::Tensor);
const OA: (&str, P) = ("a", P::Operand);
const OB: (&str, P) = ("b", P::Operand);
const AXIS: (&str, P) = ("axis", P::Axis);
const LAST: (&str, P) = ("axis", P::AxisOr(-1));
const AXES: (&str, P) = ("axes", P::Axes);
const KEEP: (&str, P) = ("keepdims", P::Bool);
const INDICES: (&str, P) = ("indices", P::Tensor);
const SHAPE: (&str, P) = ("shape", P::Dims);
const DTYPE: (&str, P) = ("dtype", P::DtypeOr(Dt::Float));
const REVERSE: (&str, P) = ("reverse", P::Bool);
const INCLUSIVE: (&str, P) = ("inclusive", P::True);
const INPUTS: (&str, P) = ("inputs", P::Tensor);
const PREDICTIONS: (&str, P) = ("predictions", P::Tensor);
const TARGETS: (&str, P) = ("targets", P::Tensor);
const WEIGHTS: (&str, P) = ("weights", P::OptTensor);
/// MLX's default for some losses is the mean, for others one value a place.
const MEAN: (&str, P) = ("reduction", P::Word(&["mean", "sum", "none"]));
const NONE: (&str, P) = ("reduction", P::Word(&["none", "mean", "sum"]));

macro_rules! ops {
    ($($name:literal ($($param:expr),*) = $rule:expr;)*) => {
        /// Every operation.
        pub static OPS: &[Op] = &[$(Op { name: $name, params: &[$($param),*], rule: $rule }),*];
    };
}

ops! {
    // One tensor, element by element.
    "abs"(A) = rules::same;
    "negative"(A) = rules::negative;
    "square"(A) = rules::same;
    "sign"(A) = rules::number;
    "floor"(A) = rules::number;
    "ceil"(A) = rules::number;
    "trunc"(A) = rules::number;
    "round"(A, ("decimals", P::IntOr(0))) = rules::number;
    "exp"(A) = rules::float;
    "expm1"(A) = rules::float;
    "log"(A) = rules::float;
    "log2"(A) = rules::float;
    "log10"(A) = rules::float;
    "log1p"(A) = rules::float;
    "sqrt"(A) = rules::float;
    "rsqrt"(A) = rules::float;
    "reciprocal"(A) = rules::float;
    "sin"(A) = rules::float;
    "cos"(A) = rules::float;
    "tan"(A) = rules::float;
    "sinh"(A) = rules::float;
    "cosh"(A) = rules::float;
    "tanh"(A) = rules::float;
    "arcsin"(A) = rules::float;
    "arccos"(A) = rules::float;
    "arctan"(A) = rules::float;
    "arcsinh"(A) = rules::float;
    "arccosh"(A) = rules::float;
    "arctanh"(A) = rules::float;
    "degrees"(A) = rules::float;
    "radians"(A) = rules::float;
    "erf"(A) = rules::float;
    "erfinv"(A) = rules::float;
    "sigmoid"(X) = rules::float;
    "nan_to_num"(A, ("nan", P::ScalarOr(0.0)), ("posinf", P::OptScalar), ("neginf", P::OptScalar)) = rules::float;
    "isnan"(A) = rules::test;
    "isinf"(A) = rules::test;
    "isfinite"(A) = rules::test;
    "isposinf"(A) = rules::test;
    "isneginf"(A) = rules::test;
    "logical_not"(A) = rules::not;
    "bitwise_invert"(A) = rules::bits;
    "astype"(A, ("dtype", P::Dtype)) = rules::astype;
    "stop_gradient"(A) = rules::same;
    "contiguous"(A) = rules::same;
    "zeros_like"(A) = rules::same;
    "ones_like"(A) = rules::same;
    // Activations, as in mlx.nn.
    "relu"(X) = rules::float;
    "relu2"(X) = rules::float;
    "relu6"(X) = rules::float;
    "leaky_relu"(X, ("negative_slope", P::ScalarOr(0.01))) = rules::float;
    "prelu"(X, ("alpha", P::Tensor)) = rules::prelu;
    "elu"(X, ("alpha", P::ScalarOr(1.0))) = rules::float;
    "celu"(X, ("alpha", P::ScalarOr(1.0))) = rules::float;
    "selu"(X) = rules::float;
    "silu"(X) = rules::float;
    "gelu"(X) = rules::float;
    "gelu_approx"(X) = rules::float;
    "gelu_fast_approx"(X) = rules::float;
    "mish"(X) = rules::float;
    "hardswish"(X) = rules::float;
    "hard_tanh"(X, ("min_val", P::ScalarOr(-1.0)), ("max_val", P::ScalarOr(1.0))) = rules::float;
    "hard_shrink"(X, ("lambd", P::ScalarOr(0.5))) = rules::float;
    "softshrink"(X, ("lambd", P::ScalarOr(0.5))) = rules::float;
    "softplus"(X) = rules::float;
    "softsign"(X) = rules::float;
    "log_sigmoid"(X) = rules::float;
    "softmin"(X, LAST) = rules::along;
    "log_softmax"(X, LAST) = rules::along;
    "glu"(X, LAST) = rules::glu;
    "swiglu"(("gate", P::Tensor), ("up", P::Tensor)) = rules::swiglu;
    // Two tensors that broadcast, or a number.
    "add"(OA, OB) = rules::binary;
    "subtract"(OA, OB) = rules::whole;
    "multiply"(OA, OB) = rules::binary;
    "divide"(OA, OB) = rules::divide;
    "floor_divide"(OA, OB) = rules::whole;
    "remainder"(OA, OB) = rules::whole;
    "maximum"(OA, OB) = rules::binary;
    "minimum"(OA, OB) = rules::binary;
    "power"(OA, OB) = rules::binary;
    "logaddexp"(OA, OB) = rules::divide;
    "arctan2"(OA, OB) = rules::divide;
    "equal"(OA, OB) = rules::compare;
    "not_equal"(OA, OB) = rules::compare;
    "less"(OA, OB) = rules::compare;
    "less_equal"(OA, OB) = rules::compare;
    "greater"(OA, OB) = rules::compare;
    "greater_equal"(OA, OB) = rules::compare;
    "isclose"(OA, OB, ("rtol", P::ScalarOr(1e-5)), ("atol", P::ScalarOr(1e-8)), ("equal_nan", P::Bool)) = rules::compare;
    "logical_and"(A, B) = rules::logical;
    "logical_or"(A, B) = rules::logical;
    "logical_xor"(A, B) = rules::logical;
    "bitwise_and"(A, B) = rules::bitwise;
    "bitwise_or"(A, B) = rules::bitwise;
    "bitwise_xor"(A, B) = rules::bitwise;
    "left_shift"(OA, OB) = rules::shift;
    "right_shift"(OA, OB) = rules::shift;
    "where_"(("condition", P::Tensor), ("x", P::Operand), ("y", P::Operand)) = rules::where_;
    "clip"(OA, ("a_min", P::OptOperand), ("a_max", P::OptOperand)) = rules::clip;
    // Products.
    "matmul"(A, B) = rules::matmul;
    "addmm"(("c", P::Tensor), A, B, ("alpha", P::ScalarOr(1.0)), ("beta", P::ScalarOr(1.0))) = rules::addmm;
    "inner"(A, B) = rules::inner;
    "outer"(A, B) = rules::outer;
    "vecdot"(A, B, LAST) = rules::vecdot;
    "tensordot"(A, B, ("axes", P::Contract(2))) = rules::tensordot;
    "einsum"(("subscripts", P::Text), ("operands", P::Tensors)) = rules::einsum;
    "gather_mm"(A, B, ("lhs_indices", P::OptTensor), ("rhs_indices", P::OptTensor), ("sorted_indices", P::Bool)) = rules::gather_mm;
    "quantized_matmul"(X, ("w", P::Tensor), ("scales", P::Tensor), ("biases", P::Tensor), ("transpose", P::True), ("group_size", P::IntOr(64)), ("bits", P::IntOr(4))) = rules::quantized_matmul;
    "dequantize"(("w", P::Tensor), ("scales", P::Tensor), ("biases", P::Tensor), ("group_size", P::IntOr(64)), ("bits", P::IntOr(4))) = rules::dequantize;
    // Shapes.
    "reshape"(A, SHAPE) = rules::reshape;
    "broadcast_to"(A, SHAPE) = rules::broadcast_to;
    "flatten"(A, ("start_axis", P::AxisOr(0)), ("end_axis", P::AxisOr(-1))) = rules::flatten;
    "unflatten"(A, AXIS, SHAPE) = rules::unflatten;
    "transpose"(A, ("axes", P::Order)) = rules::transpose;
    "swapaxes"(A, ("axis1", P::Axis), ("axis2", P::Axis)) = rules::swapaxes;
    "moveaxis"(A, ("source", P::Axis), ("destination", P::Axis)) = rules::moveaxis;
    "expand_dims"(A, ("axis", P::Int)) = rules::expand_dims;
    "squeeze"(A, AXIS) = rules::squeeze;
    "concatenate"(("arrays", P::Tensors), AXIS) = rules::concatenate;
    "stack"(("arrays", P::Tensors), ("axis", P::Int)) = rules::stack;
    "split"(A, ("parts", P::Parts), AXIS) = rules::split;
    "slice"(A, ("start", P::Dims), ("stop", P::Dims), ("strides", P::DimsOr(1)), AXES) = rules::slice;
    "tile"(A, ("reps", P::Dims)) = rules::tile;
    "repeat"(A, ("repeats", P::Size), AXIS) = rules::repeat;
    "pad"(A, ("pad_width", P::Pairs), ("constant_values", P::ScalarOr(0.0))) = rules::pad;
    "roll"(A, ("shift", P::Int), AXIS) = rules::along_any;
    "tril"(X, ("k", P::IntOr(0))) = rules::triangle;
    "triu"(X, ("k", P::IntOr(0))) = rules::triangle;
    // Indices and orders.
    "take"(A, INDICES, AXIS) = rules::take;
    "take_along_axis"(A, INDICES, AXIS) = rules::take_along_axis;
    "put_along_axis"(A, INDICES, ("values", P::Tensor), AXIS) = rules::put_along_axis;
    "sort"(A, LAST) = rules::along_any;
    "argsort"(A, LAST) = rules::order;
    "partition"(A, ("kth", P::Int), LAST) = rules::along_any;
    "argpartition"(A, ("kth", P::Int), LAST) = rules::order;
    "topk"(A, ("k", P::Size), LAST) = rules::topk;
    // Over axes.
    "sum"(A, AXES, KEEP) = rules::reduce;
    "mean"(A, AXES, KEEP) = rules::reduce;
    "max"(A, AXES, KEEP) = rules::reduce;
    "min"(A, AXES, KEEP) = rules::reduce;
    "prod"(A, AXES, KEEP) = rules::reduce;
    "logsumexp"(A, AXES, KEEP) = rules::reduce;
    "var"(A, AXES, KEEP, ("ddof", P::IntOr(0))) = rules::reduce;
    "std"(A, AXES, KEEP, ("ddof", P::IntOr(0))) = rules::reduce;
    "median"(A, AXES, KEEP) = rules::reduce;
    "all"(A, AXES, KEEP) = rules::reduce;
    "any"(A, AXES, KEEP) = rules::reduce;
    "argmax"(A, AXIS, KEEP) = rules::arg_reduce;
    "argmin"(A, AXIS, KEEP) = rules::arg_reduce;
    "softmax"(A, AXES, ("precise", P::Bool)) = rules::softmax;
    "cumsum"(A, AXIS, REVERSE, INCLUSIVE) = rules::scan;
    "cumprod"(A, AXIS, REVERSE, INCLUSIVE) = rules::scan;
    "cummax"(A, AXIS, REVERSE, INCLUSIVE) = rules::scan;
    "cummin"(A, AXIS, REVERSE, INCLUSIVE) = rules::scan;
    "logcumsumexp"(A, AXIS, REVERSE, INCLUSIVE) = rules::scan;
    // New tensors.
    "zeros"(SHAPE, DTYPE) = rules::filled;
    "ones"(SHAPE, DTYPE) = rules::filled;
    "full"(SHAPE, ("vals", P::Wide), DTYPE) = rules::full;
    "arange"(("start", P::Size), ("stop", P::OptSize), ("step", P::SizeOr(1)), ("dtype", P::DtypeOr(Dt::I32))) = rules::arange;
    "linspace"(("start", P::Scalar), ("stop", P::Scalar), ("num", P::SizeOr(50)), DTYPE) = rules::linspace;
    "eye"(("n", P::Size), ("m", P::OptSize), ("k", P::IntOr(0)), DTYPE) = rules::eye;
    "tri"(("n", P::Size), ("m", P::OptSize), ("k", P::IntOr(0)), DTYPE) = rules::eye;
    "positions"(("cache", P::Cache), ("tokens", P::Tensor)) = rules::positions;
    // Layers of networks.
    "rms_norm"(X, ("weight", P::Tensor), ("eps", P::Scalar)) = rules::norm;
    "layer_norm"(X, ("weight", P::OptTensor), ("bias", P::OptTensor), ("eps", P::ScalarOr(1e-5))) = rules::norm;
    "rope"(A, ("dims", P::Size), ("traditional", P::Bool), ("base", P::ScalarOr(10000.0)), ("scale", P::ScalarOr(1.0)), ("offset", P::SizeOr(0))) = rules::rope;
    "scaled_dot_product_attention"(("q", P::Tensor), ("k", P::Tensor), ("v", P::Tensor), ("mask", P::Mask), ("scale", P::OptScalar), ("sinks", P::OptTensor)) = rules::attention;
    "causal_mask"(("scores", P::Tensor), ("window", P::Count)) = rules::causal_mask;
    "conv1d"(("input", P::Tensor), ("weight", P::Tensor), ("stride", P::SizeOr(1)), ("padding", P::SizeOr(0)), ("dilation", P::SizeOr(1)), ("groups", P::SizeOr(1))) = rules::conv;
    "conv2d"(("input", P::Tensor), ("weight", P::Tensor), ("stride", P::PairOr(1)), ("padding", P::PairOr(0)), ("dilation", P::PairOr(1)), ("groups", P::SizeOr(1))) = rules::conv;
    "max_pool1d"(X, ("kernel_size", P::Size), ("stride", P::OptSize), ("padding", P::SizeOr(0))) = rules::pool;
    "avg_pool1d"(X, ("kernel_size", P::Size), ("stride", P::OptSize), ("padding", P::SizeOr(0))) = rules::pool;
    "max_pool2d"(X, ("kernel_size", P::Pair), ("stride", P::OptPair), ("padding", P::PairOr(0))) = rules::pool;
    "avg_pool2d"(X, ("kernel_size", P::Pair), ("stride", P::OptPair), ("padding", P::PairOr(0))) = rules::pool;
    // Losses, as in mlx.nn.losses.
    "cross_entropy"(("logits", P::Tensor), TARGETS, WEIGHTS, LAST, ("label_smoothing", P::ScalarOr(0.0)), NONE) = rules::cross_entropy;
    "binary_cross_entropy"(INPUTS, TARGETS, WEIGHTS, ("with_logits", P::True), MEAN) = rules::loss;
    "mse_loss"(PREDICTIONS, TARGETS, MEAN) = rules::loss;
    "l1_loss"(PREDICTIONS, TARGETS, MEAN) = rules::loss;
    "smooth_l1_loss"(PREDICTIONS, TARGETS, ("beta", P::ScalarOr(1.0)), MEAN) = rules::loss;
    "huber_loss"(INPUTS, TARGETS, ("delta", P::ScalarOr(1.0)), NONE) = rules::loss;
    "log_cosh_loss"(INPUTS, TARGETS, NONE) = rules::loss;
    "hinge_loss"(INPUTS, TARGETS, NONE) = rules::loss;
    "gaussian_nll_loss"(INPUTS, TARGETS, ("vars", P::Tensor), ("full", P::Bool), ("eps", P::ScalarOr(1e-6)), MEAN) = rules::loss;
    "margin_ranking_loss"(("inputs1", P::Tensor), ("inputs2", P::Tensor), TARGETS, ("margin", P::ScalarOr(0.0)), NONE) = rules::loss;
    "kl_div_loss"(INPUTS, TARGETS, LAST, NONE) = rules::axis_loss;
    "cosine_similarity_loss"(("x1", P::Tensor), ("x2", P::Tensor), ("axis", P::AxisOr(1)), ("eps", P::ScalarOr(1e-8)), NONE) = rules::axis_loss;
    "nll_loss"(INPUTS, TARGETS, LAST, NONE) = rules::nll_loss;
}

/// The operation of that name.
pub fn find(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|o| o.name == name)
}

impl Ctx<'_> {
    /// The place of argument `i`.
    pub fn at(&self, i: usize) -> Span {
        self.spans.get(i).copied().unwrap_or(self.span)
    }

    /// The shape and dtype of a value; `None` where it has an error already.
    pub fn ty(&self, id: Id) -> Option<(&Shape, Dt)> {
        match &self.graph.nodes[id].ty {
            Ty::Tensor(s, d) => Some((s, *d)),
            _ => None,
        }
    }

    /// The shape and dtype of argument `i`, which must be a tensor.
    pub fn tensor(&self, i: usize) -> Result<(&Shape, Dt)> {
        match &self.args[i] {
            Arg::Value(id) => {
                let found = || Diag::expected_tensor(self.at(i), self.describe(i));
                self.ty(*id).ok_or_else(found)
            }
            _ => Err(Diag::expected_tensor(self.at(i), "this is a number")),
        }
    }

    /// The words of a message for argument `i`: its variable, shape and line.
    pub fn describe(&self, i: usize) -> String {
        match &self.args[i] {
            Arg::Value(id) => describe(self.graph, *id, self.names),
            Arg::Values(ids) => {
                let all: Vec<String> = ids
                    .iter()
                    .map(|id| describe(self.graph, *id, self.names))
                    .collect();
                all.join("; ")
            }
            _ => format!("argument {}", i + 1),
        }
    }

    /// As [`Ctx::describe`], where a noun fits.
    pub fn noun(&self, i: usize) -> String {
        match &self.args[i] {
            Arg::Value(id) => noun(self.graph, *id, self.names),
            Arg::Values(ids) => {
                let all = ids.iter().map(|id| noun(self.graph, *id, self.names));
                all.collect::<Vec<_>>().join("; ")
            }
            _ => self.describe(i),
        }
    }

    /// The axis given as argument `i`, counted from 0; `rank` is the number of allowed places.
    pub fn axis(&self, i: usize, rank: usize) -> Result<usize> {
        match self.args[i] {
            Arg::Int(axis) => self.resolve(i, axis, rank),
            _ => Err(Diag::expected_integer(self.at(i))),
        }
    }

    /// The place of the argument called `name`; past the last if there is none.
    pub fn place(&self, name: &str) -> usize {
        let params = self.op.params;
        let at = params.iter().position(|p| p.0 == name);
        at.unwrap_or(params.len())
    }

    /// The exact quotient of two sizes, where it is known to be one.
    pub fn divide(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        self.names.divide(a, b)
    }

    /// True if a size is known to be below 0.
    pub fn negative(&self, d: &Dim) -> bool {
        d.as_constant().is_some_and(|n| n < 0) || self.facts.at_most(d, &Dim::constant(-1))
    }

    /// True if a size is known to be no more than another; what a call binds is left to the call.
    pub fn at_most(&self, a: &Dim, b: &Dim) -> bool {
        crate::ops::operands::bounded(self.facts, a, b)
    }

    /// Refuses a number (argument `i`) that is not known to be at most a size.
    pub fn need_at_most(&self, i: usize, number: &Dim, size: &Dim) -> Result<()> {
        if self.at_most(number, size) {
            return Ok(());
        }
        let known = |d: &Dim| d.as_constant().is_some();
        let (at, op, found) = (self.at(i), self.op.name, self.noun(0));
        let (low, high) = (self.names.dim(number), self.names.dim(size));
        Err(match known(number) && known(size) {
            true => Diag::more_than(at, op, low, high, found),
            false => Diag::place_unknown(at, op, low, high, found),
        })
    }

    /// Refuses a size (part of argument `i`) that is not known to be 0 or more.
    pub fn need_size(&self, i: usize, d: &Dim) -> Result<()> {
        match d {
            d if self.negative(d) => Err(Diag::negative_size(self.at(i), self.op.name)),
            d if self.at_most(&Dim::constant(0), d) => Ok(()),
            d => Err(Diag::size_unknown(
                self.at(i),
                self.op.name,
                self.names.dim(d),
            )),
        }
    }

    /// As [`Ctx::need_size`], of each size given as argument `i`.
    pub fn need_sizes(&self, i: usize) -> Result<()> {
        self.dims(i).iter().try_for_each(|d| self.need_size(i, d))
    }

    /// The quotient rounded down, where it is known.
    pub fn floor_div(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        crate::ops::operands::floor_div(self.names, a, b)
    }

    /// True if a condition (argument `i`) is set.
    pub fn flag(&self, i: usize) -> bool {
        matches!(&self.args[i], Arg::Bool(syn::Expr::Lit(l)) if matches!(&l.lit, syn::Lit::Bool(b) if b.value))
    }

    /// The one size given as argument `i`.
    pub fn size(&self, i: usize) -> Result<&Dim> {
        self.dims(i)
            .first()
            .ok_or_else(|| Diag::expected_sizes(self.at(i)))
    }

    /// The tensor given as argument `i`, if there is one.
    pub fn optional(&self, i: usize) -> Result<Option<(&Shape, Dt)>> {
        match self.args[i] {
            Arg::Absent => Ok(None),
            _ => self.tensor(i).map(Some),
        }
    }

    /// The axes given as argument `i`; an empty list means all.
    pub fn axes(&self, i: usize, rank: usize) -> Result<Vec<usize>> {
        match &self.args[i] {
            Arg::Ints(list) if list.is_empty() => Ok((0..rank).collect()),
            Arg::Ints(list) => {
                let axes = list.iter().map(|a| self.resolve(i, *a, rank));
                let axes = axes.collect::<Result<Vec<usize>>>()?;
                let twice = |(n, a): (usize, &usize)| axes[..n].contains(a);
                match self.op.params[i].1 == P::Axes && axes.iter().enumerate().any(twice) {
                    true => Err(Diag::axis_twice(self.at(i), self.op.name)),
                    false => Ok(axes),
                }
            }
            _ => Ok((0..rank).collect()),
        }
    }

    fn resolve(&self, i: usize, axis: i64, rank: usize) -> Result<usize> {
        self.axis_of(i, 0, axis, rank)
    }

    /// The place of an axis (part of argument `i`) of argument `of`.
    pub fn axis_of(&self, i: usize, of: usize, axis: i64, rank: usize) -> Result<usize> {
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        if (0..rank as i64).contains(&at) {
            return Ok(at as usize);
        }

        Err(Diag::axis_outside(
            self.at(i),
            self.op.name,
            axis,
            self.noun(of),
        ))
    }

    /// True if `keepdims` (argument `i`) is set.
    pub fn keepdims(&self, i: usize) -> bool {
        self.flag(i)
    }

    /// The sizes given as argument `i`.
    pub fn dims(&self, i: usize) -> &[Dim] {
        match &self.args[i] {
            Arg::Dims(d) => d,
            _ => &[],
        }
    }
}

/// A type in the user's words.
pub fn show(ty: &Ty, names: &Names) -> String {
    match ty {
        Ty::Tensor(s, Dt::Float) => names.shape(s),
        Ty::Tensor(s, d) => format!("{} of {}", names.shape(s), d.name()),
        Ty::Tuple(all) => {
            let all = all.iter().map(|t| show(t, names));
            format!("({})", all.collect::<Vec<_>>().join(", "))
        }
        Ty::Cache => "a cache".to_string(),
        Ty::Number => "a number".to_string(),
        Ty::Unknown => "unknown".to_string(),
    }
}

/// The words of a message for a value: "`x` is [B, L] (line 3)".
pub fn describe(graph: &Graph, id: Id, names: &Names) -> String {
    sentence(graph, id, names, " is ")
}

/// As [`describe`], where a noun fits: "`x` [B, L] (line 3)".
pub fn noun(graph: &Graph, id: Id, names: &Names) -> String {
    sentence(graph, id, names, " ")
}

fn sentence(graph: &Graph, id: Id, names: &Names, verb: &str) -> String {
    let node = &graph.nodes[id];
    let shape = match &node.ty {
        tuple @ Ty::Tuple(_) => format!("a tuple {}", show(tuple, names)),
        ty => show(ty, names),
    };
    let what = match (&node.name, &node.kind) {
        (Some(name), _) => format!("`{name}`"),
        (None, Kind::Op { op, .. }) => format!("the result of `{}`", op.name),
        (None, Kind::Param(field)) => format!("`self.{field}`"),
        (None, _) => match node.field() {
            Some(field) => format!("the result of `self.{field}`"),
            None => "this value".to_string(),
        },
    };
    let line = |id: Id| graph.nodes[id].span.start().line;
    match (line(id), line(shape_source(graph, id))) {
        (0, _) | (_, 0) => format!("{what}{verb}{shape}"),
        (at, from) if at == from => format!("{what}{verb}{shape} (line {at})"),
        (at, from) => format!("{what}{verb}{shape} (line {at}, because of line {from})"),
    }
}

/// The value that a shape and dtype were first those of, before they were passed on unchanged. A
/// layer's result has its weight's size, even where that is the size it had before.
fn shape_source(graph: &Graph, id: Id) -> Id {
    let node = &graph.nodes[id];
    if matches!(node.kind, Kind::Leaf { .. }) || !matches!(node.ty, Ty::Tensor(..)) {
        return id;
    }
    let mut before = node.inputs().into_iter();
    let same = before.find(|i| graph.nodes[*i].ty == node.ty);
    same.map_or(id, |i| shape_source(graph, i))
}
