//! The table of operations: MLX's names and argument order, and the rule that gives each its
//! result's shape and dtype.

use crate::ir::{Op, P};
use crate::ops::rules;
use crate::syntax::signature::Dt;

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
