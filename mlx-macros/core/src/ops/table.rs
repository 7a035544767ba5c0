//! The table of operations. A row says MLX's name and argument order, how a kernel holds it, the rule for the result's
//! shape and dtype, and what the gradient reads.
//!
//! Tests: `mlx-tests --test rules` (the rule), `--test kept_bytes` (the gradient).

use crate::ir::Between::{Firsts, IfAllGiven, Results, Scores, Windows};
use crate::ir::{Op, Tier, P};
use crate::ops::{keeps, rules};
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
const RANDOM_KEY: (&str, P) = ("key", P::Tensor);
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
    ($($name:literal ($($param:expr),*) = $tier:ident, $rule:expr $(, $keeps:expr)?;)*) => {
        /// Every operation: its arguments, its tier, its rule, and what its gradient reads (its inputs where a row does
        /// not say it).
        pub static OPS: &[Op] = &[
            $(Op { name: $name, params: &[$($param),*], tier: Tier::$tier, rule: $rule, keeps: ops!(keeps $($keeps)?) }),*
        ];
    };
    (keeps) => { keeps::INPUTS };
    (keeps $keeps:expr) => { $keeps };
}

ops! {
    // One tensor, element by element.
    "abs"(A) = Each, rules::same;
    "negative"(A) = Each, rules::negative, keeps::NOTHING;
    "square"(A) = Each, rules::same;
    "sign"(A) = Each, rules::number, keeps::NOTHING;
    "floor"(A) = Each, rules::number, keeps::NOTHING;
    "ceil"(A) = Each, rules::number, keeps::NOTHING;
    "trunc"(A) = Each, rules::number, keeps::NOTHING;
    "round"(A, ("decimals", P::IntOr(0))) = Each, rules::number, keeps::NOTHING;
    "exp"(A) = Each, rules::float, keeps::OUTPUT;
    "expm1"(A) = Each, rules::float;
    "log"(A) = Each, rules::float;
    "log2"(A) = Each, rules::float;
    "log10"(A) = Each, rules::float;
    "log1p"(A) = Each, rules::float;
    "sqrt"(A) = Each, rules::float, keeps::OUTPUT;
    "rsqrt"(A) = Each, rules::float, keeps::BOTH;
    "reciprocal"(A) = Each, rules::float;
    "sin"(A) = Each, rules::float;
    "cos"(A) = Each, rules::float;
    "tan"(A) = Each, rules::float;
    "sinh"(A) = Each, rules::float;
    "cosh"(A) = Each, rules::float;
    "tanh"(A) = Each, rules::float, keeps::OUTPUT;
    "arcsin"(A) = Each, rules::float;
    "arccos"(A) = Each, rules::float;
    "arctan"(A) = Each, rules::float;
    "arcsinh"(A) = Each, rules::float;
    "arccosh"(A) = Each, rules::float;
    "arctanh"(A) = Each, rules::float;
    "degrees"(A) = Each, rules::float, keeps::NOTHING;
    "radians"(A) = Each, rules::float, keeps::NOTHING;
    "erf"(A) = Each, rules::float;
    "erfinv"(A) = Each, rules::float;
    "sigmoid"(X) = Each, rules::float, keeps::OUTPUT;
    "nan_to_num"(A, ("nan", P::ScalarOr(0.0)), ("posinf", P::OptScalar), ("neginf", P::OptScalar)) = Each, rules::float;
    "isnan"(A) = Each, rules::test, keeps::NOTHING;
    "isinf"(A) = Each, rules::test, keeps::NOTHING;
    "isfinite"(A) = Each, rules::test, keeps::NOTHING;
    "isposinf"(A) = Each, rules::test, keeps::NOTHING;
    "isneginf"(A) = Each, rules::test, keeps::NOTHING;
    "logical_not"(A) = Each, rules::not;
    "bitwise_invert"(A) = Each, rules::bits;
    "astype"(A, ("dtype", P::Dtype)) = Each, rules::astype, keeps::NOTHING;
    "stop_gradient"(A) = Each, rules::same, keeps::STOP;
    "contiguous"(A) = Each, rules::same, keeps::VIEW;
    "zeros_like"(A) = Each, rules::same, keeps::NOTHING;
    "ones_like"(A) = Each, rules::same, keeps::NOTHING;
    // Activations, as in mlx.nn.
    "relu"(X) = Each, rules::float;
    "relu2"(X) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "relu6"(X) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "leaky_relu"(X, ("negative_slope", P::ScalarOr(0.01))) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "prelu"(X, ("alpha", P::Tensor)) = Each, rules::prelu, keeps::INPUTS.and(Results(1));
    "elu"(X, ("alpha", P::ScalarOr(1.0))) = Each, rules::float;
    "celu"(X, ("alpha", P::ScalarOr(1.0))) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "selu"(X) = Each, rules::float;
    "silu"(X) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "gelu"(X) = Each, rules::float, keeps::INPUTS.and(Results(2));
    "gelu_approx"(X) = Each, rules::float, keeps::INPUTS.and(Results(4));
    "gelu_fast_approx"(X) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "mish"(X) = Each, rules::float, keeps::INPUTS.and(Results(2));
    "hardswish"(X) = Each, rules::float, keeps::INPUTS.and(Results(3));
    "hard_tanh"(X, ("min_val", P::ScalarOr(-1.0)), ("max_val", P::ScalarOr(1.0))) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "hard_shrink"(X, ("lambd", P::ScalarOr(0.5))) = Each, rules::float;
    "softshrink"(X, ("lambd", P::ScalarOr(0.5))) = Each, rules::float;
    "softplus"(X) = Each, rules::float;
    "softsign"(X) = Each, rules::float, keeps::INPUTS.and(Results(1));
    "log_sigmoid"(X) = Each, rules::float, keeps::NOTHING.and(Results(1));
    "softmin"(X, LAST) = Along, rules::along, keeps::OUTPUT;
    "log_softmax"(X, LAST) = Along, rules::along;
    "glu"(X, LAST) = Moved, rules::glu, keeps::INPUTS.and(Results(1));
    "swiglu"(("gate", P::Tensor), ("up", P::Tensor)) = Each, rules::swiglu;
    // Two tensors that broadcast, or a number.
    "add"(OA, OB) = Each, rules::binary, keeps::NOTHING;
    "subtract"(OA, OB) = Each, rules::whole, keeps::NOTHING;
    "multiply"(OA, OB) = Each, rules::binary, keeps::PRODUCT;
    "divide"(OA, OB) = Each, rules::divide, keeps::INPUTS.of_number(&[(1, keeps::NOTHING)]);
    "floor_divide"(OA, OB) = Each, rules::whole, keeps::NOTHING;
    "remainder"(OA, OB) = Each, rules::whole;
    "maximum"(OA, OB) = Each, rules::binary;
    "minimum"(OA, OB) = Each, rules::binary;
    "power"(OA, OB) = Each, rules::binary, keeps::BOTH.of_number(&[(1, keeps::INPUTS), (0, keeps::OUTPUT)]);
    "logaddexp"(OA, OB) = Each, rules::divide;
    "arctan2"(OA, OB) = Each, rules::divide;
    "equal"(OA, OB) = Each, rules::compare, keeps::NOTHING;
    "not_equal"(OA, OB) = Each, rules::compare, keeps::NOTHING;
    "less"(OA, OB) = Each, rules::compare, keeps::NOTHING;
    "less_equal"(OA, OB) = Each, rules::compare, keeps::NOTHING;
    "greater"(OA, OB) = Each, rules::compare, keeps::NOTHING;
    "greater_equal"(OA, OB) = Each, rules::compare, keeps::NOTHING;
    "isclose"(OA, OB, ("rtol", P::ScalarOr(1e-5)), ("atol", P::ScalarOr(1e-8)), ("equal_nan", P::Bool)) = Each, rules::compare, keeps::NOTHING.and(Results(2));
    "logical_and"(A, B) = Each, rules::logical;
    "logical_or"(A, B) = Each, rules::logical;
    "logical_xor"(A, B) = Each, rules::logical;
    "bitwise_and"(A, B) = Each, rules::bitwise;
    "bitwise_or"(A, B) = Each, rules::bitwise;
    "bitwise_xor"(A, B) = Each, rules::bitwise;
    "left_shift"(OA, OB) = Each, rules::shift;
    "right_shift"(OA, OB) = Each, rules::shift;
    "where_"(("condition", P::Tensor), ("x", P::Operand), ("y", P::Operand)) = Each, rules::where_, keeps::NOTHING;
    "clip"(OA, ("a_min", P::OptOperand), ("a_max", P::OptOperand)) = Each, rules::clip, keeps::INPUTS.and(IfAllGiven);
    // Products.
    "matmul"(A, B) = Launch, rules::matmul, keeps::PRODUCT;
    "addmm"(("c", P::Tensor), A, B, ("alpha", P::ScalarOr(1.0)), ("beta", P::ScalarOr(1.0))) = Launch, rules::addmm;
    "inner"(A, B) = Launch, rules::inner, keeps::PRODUCT;
    "outer"(A, B) = Launch, rules::outer, keeps::PRODUCT;
    "vecdot"(A, B, LAST) = Folded, rules::vecdot, keeps::PRODUCT;
    "tensordot"(A, B, ("axes", P::Contract(2))) = Launch, rules::tensordot, keeps::PRODUCT;
    "einsum"(("subscripts", P::Text), ("operands", P::Tensors)) = Launch, rules::einsum, keeps::PRODUCT;
    "gather_mm"(A, B, ("lhs_indices", P::OptTensor), ("rhs_indices", P::OptTensor), ("sorted_indices", P::Bool)) = Launch, rules::gather_mm, keeps::PRODUCT;
    "quantized_matmul"(X, ("w", P::Tensor), ("scales", P::Tensor), ("biases", P::Tensor), ("transpose", P::True), ("group_size", P::IntOr(64)), ("bits", P::IntOr(4))) = Launch, rules::quantized_matmul, keeps::NOTHING;
    "dequantize"(("w", P::Tensor), ("scales", P::Tensor), ("biases", P::Tensor), ("group_size", P::IntOr(64)), ("bits", P::IntOr(4))) = Launch, rules::dequantize, keeps::NOTHING;
    // Shapes.
    "reshape"(A, SHAPE) = View, rules::reshape, keeps::VIEW;
    "broadcast_to"(A, SHAPE) = View, rules::broadcast_to, keeps::VIEW;
    "flatten"(A, ("start_axis", P::AxisOr(0)), ("end_axis", P::AxisOr(-1))) = View, rules::flatten, keeps::VIEW;
    "unflatten"(A, AXIS, SHAPE) = View, rules::unflatten, keeps::VIEW;
    "transpose"(A, ("axes", P::Order)) = View, rules::transpose, keeps::VIEW;
    "swapaxes"(A, ("axis1", P::Axis), ("axis2", P::Axis)) = View, rules::swapaxes, keeps::VIEW;
    "moveaxis"(A, ("source", P::Axis), ("destination", P::Axis)) = View, rules::moveaxis, keeps::VIEW;
    "expand_dims"(A, ("axis", P::Int)) = View, rules::expand_dims, keeps::VIEW;
    "squeeze"(A, AXIS) = View, rules::squeeze, keeps::VIEW;
    "concatenate"(("arrays", P::Tensors), AXIS) = Moved, rules::concatenate, keeps::NOTHING;
    "stack"(("arrays", P::Tensors), ("axis", P::Int)) = Moved, rules::stack, keeps::NOTHING;
    "split"(A, ("parts", P::Parts), AXIS) = Moved, rules::split, keeps::VIEW;
    "slice"(A, ("start", P::Dims), ("stop", P::Dims), ("strides", P::DimsOr(1)), AXES) = Moved, rules::slice, keeps::NOTHING;
    "tile"(A, ("reps", P::Dims)) = View, rules::tile, keeps::NOTHING;
    "repeat"(A, ("repeats", P::Size), AXIS) = View, rules::repeat, keeps::NOTHING;
    "pad"(A, ("pad_width", P::Pairs), ("constant_values", P::ScalarOr(0.0))) = Moved, rules::pad, keeps::NOTHING;
    "roll"(A, ("shift", P::Int), AXIS) = Moved, rules::along_any, keeps::NOTHING;
    "tril"(X, ("k", P::IntOr(0))) = Each, rules::triangle, keeps::NOTHING;
    "triu"(X, ("k", P::IntOr(0))) = Each, rules::triangle, keeps::NOTHING;
    // Indices and orders.
    "take"(A, INDICES, AXIS) = Taken, rules::take, keeps::NOTHING;
    "take_along_axis"(A, INDICES, AXIS) = Taken, rules::take_along_axis, keeps::NOTHING;
    "put_along_axis"(OA, INDICES, ("values", P::Operand), AXIS) = Launch, rules::put_along_axis, keeps::NOTHING;
    "sort"(A, LAST) = Launch, rules::along_any;
    "argsort"(A, LAST) = Launch, rules::order, keeps::NOTHING;
    "partition"(A, ("kth", P::Int), LAST) = Launch, rules::along_any;
    "argpartition"(A, ("kth", P::Int), LAST) = Launch, rules::order, keeps::NOTHING;
    "topk"(A, ("k", P::Size), LAST) = Launch, rules::topk;
    // Over axes.
    "sum"(A, AXES, KEEP) = Reduced, rules::reduce, keeps::NOTHING;
    "mean"(A, AXES, KEEP) = Reduced, rules::reduce, keeps::NOTHING;
    "max"(A, AXES, KEEP) = Reduced, rules::reduce;
    "min"(A, AXES, KEEP) = Reduced, rules::reduce;
    "prod"(A, AXES, KEEP) = Reduced, rules::reduce;
    "logsumexp"(A, AXES, KEEP) = Reduced, rules::reduce, keeps::BOTH;
    "var"(A, AXES, KEEP, ("ddof", P::IntOr(0))) = Reduced, rules::reduce;
    "std"(A, AXES, KEEP, ("ddof", P::IntOr(0))) = Reduced, rules::reduce;
    "median"(A, AXES, KEEP) = Launch, rules::reduce;
    "all"(A, AXES, KEEP) = Reduced, rules::reduce, keeps::NOTHING;
    "any"(A, AXES, KEEP) = Reduced, rules::reduce, keeps::NOTHING;
    "argmax"(A, AXIS, KEEP) = Reduced, rules::arg_reduce, keeps::NOTHING;
    "argmin"(A, AXIS, KEEP) = Reduced, rules::arg_reduce, keeps::NOTHING;
    "softmax"(A, AXES, ("precise", P::Bool)) = Along, rules::softmax, keeps::OUTPUT;
    "cumsum"(A, AXIS, REVERSE, INCLUSIVE) = Launch, rules::scan, keeps::NOTHING;
    "cumprod"(A, AXIS, REVERSE, INCLUSIVE) = Launch, rules::scan, keeps::BOTH;
    "cummax"(A, AXIS, REVERSE, INCLUSIVE) = Launch, rules::scan, keeps::BOTH;
    "cummin"(A, AXIS, REVERSE, INCLUSIVE) = Launch, rules::scan, keeps::BOTH;
    "logcumsumexp"(A, AXIS, REVERSE, INCLUSIVE) = Launch, rules::scan, keeps::BOTH;
    // New tensors.
    "zeros"(SHAPE, DTYPE) = Created, rules::filled;
    "ones"(SHAPE, DTYPE) = Created, rules::filled;
    "full"(SHAPE, ("vals", P::Wide), DTYPE) = Created, rules::full;
    "arange"(("start", P::Size), ("stop", P::OptSize), ("step", P::SizeOr(1)), ("dtype", P::DtypeOr(Dt::I32))) = Created, rules::arange;
    "linspace"(("start", P::Scalar), ("stop", P::Scalar), ("num", P::SizeOr(50)), DTYPE) = Launch, rules::linspace;
    "eye"(("n", P::Size), ("m", P::OptSize), ("k", P::IntOr(0)), DTYPE) = Created, rules::eye;
    "tri"(("n", P::Size), ("m", P::OptSize), ("k", P::IntOr(0)), DTYPE) = Created, rules::eye;
    // Random numbers from a key, as in mlx.core.random.
    "random::bits"(SHAPE, RANDOM_KEY) = Created, rules::random_bits, keeps::NOTHING;
    "random::bernoulli"(("p", P::Scalar), SHAPE, RANDOM_KEY) = Created, rules::bernoulli, keeps::NOTHING;
    "random::uniform"(("low", P::Scalar), ("high", P::Scalar), SHAPE, RANDOM_KEY) = Created, rules::uniform, keeps::NOTHING;
    "distances"(("cache", P::Cache), ("tokens", P::Tensor)) = Launch, rules::distances, keeps::NOTHING;
    "positions"(("cache", P::Cache), ("tokens", P::Tensor)) = Launch, rules::positions, keeps::NOTHING;
    // Layers of networks.
    "rms_norm"(X, ("weight", P::Tensor), ("eps", P::Scalar)) = LastAxis, rules::norm;
    "layer_norm"(X, ("weight", P::OptTensor), ("bias", P::OptTensor), ("eps", P::ScalarOr(1e-5))) = LastAxis, rules::norm;
    "rope"(A, ("dims", P::Size), ("traditional", P::Bool), ("base", P::ScalarOr(10000.0)), ("scale", P::ScalarOr(1.0)), ("offset", P::SizeOr(0))) = Launch, rules::rope;
    "scaled_dot_product_attention"(("q", P::Tensor), ("k", P::Tensor), ("v", P::Tensor), ("mask", P::Mask), ("scale", P::OptScalar), ("sinks", P::OptTensor)) = Launch, rules::attention, keeps::INPUTS.and(Scores);
    "visible_keys"(("q", P::Tensor), ("k", P::Tensor), ("window", P::Count)) = Launch, rules::visible_keys, keeps::NOTHING;
    "causal_mask"(("scores", P::Tensor), ("window", P::Count)) = Each, rules::causal_mask, keeps::NOTHING;
    "conv1d"(("input", P::Tensor), ("weight", P::Tensor), ("stride", P::SizeOr(1)), ("padding", P::SizeOr(0)), ("dilation", P::SizeOr(1)), ("groups", P::SizeOr(1))) = Launch, rules::conv, keeps::PRODUCT;
    "conv2d"(("input", P::Tensor), ("weight", P::Tensor), ("stride", P::PairOr(1)), ("padding", P::PairOr(0)), ("dilation", P::PairOr(1)), ("groups", P::SizeOr(1))) = Launch, rules::conv, keeps::PRODUCT;
    "conv_transpose1d"(("input", P::Tensor), ("weight", P::Tensor), ("stride", P::SizeOr(1)), ("padding", P::SizeOr(0)), ("dilation", P::SizeOr(1)), ("output_padding", P::SizeOr(0)), ("groups", P::SizeOr(1))) = Launch, rules::conv_transpose, keeps::PRODUCT;
    "conv_transpose2d"(("input", P::Tensor), ("weight", P::Tensor), ("stride", P::PairOr(1)), ("padding", P::PairOr(0)), ("dilation", P::PairOr(1)), ("output_padding", P::PairOr(0)), ("groups", P::SizeOr(1))) = Launch, rules::conv_transpose, keeps::PRODUCT;
    "max_pool1d"(X, ("kernel_size", P::Size), ("stride", P::OptSize), ("padding", P::SizeOr(0))) = Launch, rules::pool, keeps::OUTPUT.and(Windows);
    "avg_pool1d"(X, ("kernel_size", P::Size), ("stride", P::OptSize), ("padding", P::SizeOr(0))) = Launch, rules::pool, keeps::NOTHING;
    "max_pool2d"(X, ("kernel_size", P::Pair), ("stride", P::OptPair), ("padding", P::PairOr(0))) = Launch, rules::pool, keeps::OUTPUT.and(Windows);
    "avg_pool2d"(X, ("kernel_size", P::Pair), ("stride", P::OptPair), ("padding", P::PairOr(0))) = Launch, rules::pool, keeps::NOTHING;
    // Losses, as in mlx.nn.losses.
    "cross_entropy"(("logits", P::Tensor), TARGETS, WEIGHTS, LAST, ("label_smoothing", P::ScalarOr(0.0)), NONE) = Folded, rules::cross_entropy;
    "binary_cross_entropy"(INPUTS, TARGETS, WEIGHTS, ("with_logits", P::True), MEAN) = Each, rules::loss;
    "mse_loss"(PREDICTIONS, TARGETS, MEAN) = Each, rules::loss, keeps::NOTHING.and(Firsts(1));
    "l1_loss"(PREDICTIONS, TARGETS, MEAN) = Each, rules::loss, keeps::NOTHING.and(Firsts(1));
    "smooth_l1_loss"(PREDICTIONS, TARGETS, ("beta", P::ScalarOr(1.0)), MEAN) = Each, rules::loss, keeps::NOTHING.and(Firsts(2));
    "huber_loss"(INPUTS, TARGETS, ("delta", P::ScalarOr(1.0)), NONE) = Each, rules::loss, keeps::NOTHING.and(Firsts(3));
    "log_cosh_loss"(INPUTS, TARGETS, NONE) = Each, rules::loss, keeps::NOTHING.and(Firsts(2));
    "hinge_loss"(INPUTS, TARGETS, NONE) = Each, rules::loss, keeps::INPUTS.and(Firsts(1));
    "gaussian_nll_loss"(INPUTS, TARGETS, ("vars", P::Tensor), ("full", P::Bool), ("eps", P::ScalarOr(1e-6)), MEAN) = Each, rules::loss, keeps::INPUTS.and(Firsts(1));
    "margin_ranking_loss"(("inputs1", P::Tensor), ("inputs2", P::Tensor), TARGETS, ("margin", P::ScalarOr(0.0)), NONE) = Each, rules::loss;
    "kl_div_loss"(INPUTS, TARGETS, LAST, NONE) = Folded, rules::axis_loss;
    "cosine_similarity_loss"(("x1", P::Tensor), ("x2", P::Tensor), ("axis", P::AxisOr(1)), ("eps", P::ScalarOr(1e-8)), NONE) = Folded, rules::axis_loss;
    "nll_loss"(INPUTS, TARGETS, LAST, NONE) = Folded, rules::nll_loss, keeps::NOTHING;
}

/// The operation of that name.
pub fn find(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|o| o.name == name)
}
