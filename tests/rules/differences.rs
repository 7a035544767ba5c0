//! Differences of the language from MLX that are on purpose.

use mlx_macros_core::diag::Code;
use mlx_macros_core::ir::{Graph, Id, Kind};
use mlx_macros_core::syntax::signature::{Dt, Ty};
use mlx_runtime::Array;

use crate::call::dtype;
use crate::symbols::{number, Read};

/// The dtypes of the tensors that an operation reads.
fn inputs(graph: &Graph, node: Id) -> Vec<Dt> {
    let read = graph.nodes[node].inputs();
    let dtypes = read.iter().filter_map(|id| match &graph.nodes[*id].ty {
        Ty::Tensor(_, d) => Some(*d),
        _ => None,
    });
    dtypes.collect()
}

/// Why the language refuses what MLX accepts.
pub fn stricter(op: &str, read: &Read, node: Id, result: &[Array]) -> Option<&'static str> {
    let Kind::Op { .. } = &read.graph.nodes[node].kind else {
        return None;
    };
    let dtypes = inputs(&read.graph, node);
    let mixed = dtypes.iter().any(|d| *d != dtypes[0]);
    let code = read.errors[0].code;
    let changed = result
        .iter()
        .any(|a| dtypes.first().is_some_and(|d| dtype(*d) != a.dtype()));
    if code == Code::Dtype {
        if mixed {
            return Some("dtypes that differ are not widened silently");
        }
        if dtypes.contains(&Dt::Bool) {
            return Some("bools are conditions: there is no arithmetic of them");
        }
        if read.errors[0].message.contains("would be truncated") {
            return Some("only a literal is known to be whole");
        }
        if read.errors[0].message.contains("out of range for") {
            return Some("MLX wraps a number that the dtype does not hold");
        }
        if changed {
            return Some("whole numbers do not become floating point silently");
        }
    }
    table(op, code)
}

fn table(op: &str, code: Code) -> Option<&'static str> {
    if code == Code::Stride {
        return Some("a size that depends on a quotient needs a stride that is known to divide");
    }
    if code == Code::Bound {
        return Some("a number that a size of the config bounds must be known to be inside of it");
    }
    STRICTER
        .iter()
        .find(|(ops, c, _)| ops.contains(&op) && *c == code)
        .map(|(_, _, why)| *why)
}

/// Operations, the kind of mistake, and why it is one.
const STRICTER: &[(&[&str], Code, &str)] = &[
    (
        &["softmax"],
        Code::Dtype,
        "MLX hands a scalar back as it is, whatever its dtype",
    ),
    (
        &["softmax"],
        Code::Permutation,
        "MLX looks at no axis of an array without elements",
    ),
    (
        &[
            "relu",
            "relu2",
            "relu6",
            "leaky_relu",
            "prelu",
            "hard_tanh",
            "hard_shrink",
            "softshrink",
            "causal_mask",
        ],
        Code::Dtype,
        "activations are floating point",
    ),
    (
        &["conv_transpose1d", "conv_transpose2d"],
        Code::Size,
        "MLX cuts the input where the padding is larger than the window reaches",
    ),
    (
        &["conv_transpose1d", "conv_transpose2d"],
        Code::Bound,
        "MLX cuts the input where the padding is larger than the window reaches",
    ),
    (
        &["visible_keys"],
        Code::Rank,
        "queries and keys are those of attention",
    ),
    (
        &["linspace"],
        Code::Dtype,
        "values at equal distances are no whole numbers",
    ),
    (
        &[
            "mse_loss",
            "l1_loss",
            "smooth_l1_loss",
            "huber_loss",
            "log_cosh_loss",
            "hinge_loss",
            "gaussian_nll_loss",
            "margin_ranking_loss",
            "binary_cross_entropy",
            "kl_div_loss",
            "cosine_similarity_loss",
        ],
        Code::DimMismatch,
        "a loss of two shapes is a mistake; MLX's Python refuses it for most losses",
    ),
    (
        &["swiglu", "vecdot"],
        Code::DimMismatch,
        "both sides have one shape",
    ),
    (
        &["var", "std"],
        Code::Size,
        "no value is left to divide by, and MLX gives infinity",
    ),
    (
        &["take", "take_along_axis", "put_along_axis"],
        Code::Size,
        "MLX reads other memory beyond the end of an axis",
    ),
    (
        &[
            "divide",
            "floor_divide",
            "remainder",
            "clip",
            "hard_tanh",
            "left_shift",
            "right_shift",
            "rope",
            "rms_norm",
            "layer_norm",
            "celu",
            "isclose",
            "softshrink",
            "hard_shrink",
            "scaled_dot_product_attention",
            "cross_entropy",
            "smooth_l1_loss",
            "huber_loss",
            "gaussian_nll_loss",
            "cosine_similarity_loss",
        ],
        Code::ArgumentKind,
        "the operation has no meaning for this number",
    ),
    (&["outer"], Code::Rank, "MLX makes a vector of anything"),
    (
        &["nan_to_num", "max_pool1d", "max_pool2d"],
        Code::Dtype,
        "whole numbers have no NaN and no lowest number to pad with",
    ),
    (
        &["where_"],
        Code::Dtype,
        "a condition is bool; MLX takes what is not 0",
    ),
    (
        &["cross_entropy", "nll_loss"],
        Code::DimMismatch,
        "one target for each row; MLX's Python refuses others too",
    ),
    (
        &["take_along_axis"],
        Code::DimMismatch,
        "only the indices broadcast",
    ),
    (
        &["conv1d", "conv2d"],
        Code::Size,
        "a kernel holds an element",
    ),
    (
        &["put_along_axis"],
        Code::DimMismatch,
        "only the values broadcast",
    ),
    (
        &["put_along_axis"],
        Code::Broadcast,
        "the values broadcast to the indices",
    ),
    (
        &["quantized_matmul", "dequantize"],
        Code::DimMismatch,
        "MLX looks at fewer of the scales' sizes before it computes",
    ),
    (&["einsum"], Code::Inner, "a letter has one size"),
    (
        &["matmul"],
        Code::Rank,
        "a vector is written with a dim of 1, or multiplied by `inner`",
    ),
    (
        &["flatten"],
        Code::Axis,
        "MLX cuts axes beyond the ends to those that exist",
    ),
];

/// Why the language accepts what MLX refuses.
pub fn less_known(op: &str, read: &Read, node: Id) -> Option<&'static str> {
    let sizes = |id: &Id| match &read.graph.nodes[*id].ty {
        Ty::Tensor(s, _) => s.iter().map(number).collect(),
        _ => vec![],
    };
    let inputs: Vec<i64> = read.graph.nodes[node]
        .inputs()
        .iter()
        .flat_map(sizes)
        .collect();
    if inputs.contains(&0) {
        return Some("an axis of size 0 holds no element");
    }
    LESS_KNOWN
        .iter()
        .find(|(ops, _)| ops.contains(&op))
        .map(|(_, why)| *why)
}

/// Operations whose arguments MLX compares with sizes that are symbols to the language.
const LESS_KNOWN: &[(&[&str], &str)] = &[
    (&["slice"], "whether a place is inside of an axis"),
    (
        &["topk", "partition", "argpartition"],
        "whether an axis has so many elements",
    ),
    (
        &["reshape", "unflatten"],
        "whether a size that a call binds divides into the others",
    ),
    (
        &["rope"],
        "whether a size is even, and no more than the last dim",
    ),
    (
        &["causal_mask", "scaled_dot_product_attention"],
        "whether a window is of one key or more",
    ),
    (
        &[
            "conv1d",
            "conv2d",
            "conv_transpose1d",
            "conv_transpose2d",
            "max_pool1d",
            "avg_pool1d",
            "max_pool2d",
            "avg_pool2d",
        ],
        "whether a window fits",
    ),
    (&["arange"], "whether there is a value between the ends"),
];
