//! The values that gradients of operations read.

use crate::ir::Arg;

/// The values that the gradient of an operation reads.
#[derive(Clone, Copy)]
pub(super) struct Keeps {
    pub inputs: bool,
    pub output: bool,
    /// Arrays as large as the output (a loss: as the first input) that are neither, where an operation is composed of
    /// MLX's.
    pub between: i64,
}

const fn keeps(inputs: bool, output: bool, between: i64) -> Keeps {
    Keeps {
        inputs,
        output,
        between,
    }
}

const NOTHING: Keeps = keeps(false, false, 0);
const INPUTS: Keeps = keeps(true, false, 0);
const OUTPUT: Keeps = keeps(false, true, 0);
const BOTH: Keeps = keeps(true, true, 0);

/// Operations that keep something else than their inputs. `tests/reliability/kept_bytes.rs` measures each form.
static KEEPS: &[(Keeps, &[&str])] = &[
    (
        NOTHING,
        &[
            "add",
            "subtract",
            "negative",
            "degrees",
            "radians",
            "reshape",
            "transpose",
            "swapaxes",
            "moveaxis",
            "expand_dims",
            "squeeze",
            "flatten",
            "unflatten",
            "broadcast_to",
            "concatenate",
            "stack",
            "split",
            "repeat",
            "tile",
            "pad",
            "roll",
            "slice",
            "sum",
            "mean",
            "astype",
            "contiguous",
            "stop_gradient",
            "zeros_like",
            "ones_like",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "isnan",
            "isinf",
            "isfinite",
            "isposinf",
            "isneginf",
            "all",
            "any",
            "argmax",
            "argmin",
            "argsort",
            "argpartition",
            "floor",
            "ceil",
            "trunc",
            "round",
            "sign",
            "cumsum",
            "tril",
            "triu",
            "causal_mask",
            "floor_divide",
            "nll_loss",
            "where_",
            "take",
            "take_along_axis",
            "put_along_axis",
            "positions",
            "quantized_matmul",
            "dequantize",
            "avg_pool1d",
            "avg_pool2d",
        ],
    ),
    (
        OUTPUT,
        &[
            "exp",
            "sigmoid",
            "tanh",
            "sqrt",
            "softmax",
            "softmin",
            // And its windows.
            "max_pool1d",
            "max_pool2d",
        ],
    ),
    (
        BOTH,
        &[
            "rsqrt",
            "power",
            "logsumexp",
            "cumprod",
            "cummax",
            "cummin",
            "logcumsumexp",
        ],
    ),
    (
        keeps(true, false, 1),
        &[
            "relu2",
            "relu6",
            "leaky_relu",
            "celu",
            "silu",
            "gelu_fast_approx",
            "hard_tanh",
            "softsign",
            "hinge_loss",
            "gaussian_nll_loss",
            "glu",
            "prelu",
        ],
    ),
    (
        keeps(false, false, 1),
        &["log_sigmoid", "mse_loss", "l1_loss"],
    ),
    (
        keeps(false, false, 2),
        &["isclose", "smooth_l1_loss", "log_cosh_loss"],
    ),
    (keeps(false, false, 3), &["huber_loss"]),
    (keeps(true, false, 2), &["gelu", "mish"]),
    (keeps(true, false, 3), &["hardswish"]),
    (keeps(true, false, 4), &["gelu_approx"]),
];

/// The values that the gradient of an operation with these arguments reads. A number in place of a tensor is not kept, and
/// neither is what only its gradient needs.
pub(super) fn kept_by(op: &str, args: &[Arg]) -> Keeps {
    let number = |i: usize| matches!(args.get(i), Some(Arg::Weak { .. }));
    match op {
        "multiply" if number(0) || number(1) => NOTHING,
        "divide" if number(1) => NOTHING,
        "power" if number(1) => INPUTS,
        "power" if number(0) => OUTPUT,
        // Two comparisons, of which the second reads the result of the first.
        "clip"
            if args
                .get(1..3)
                .is_some_and(|b| !b.iter().any(|a| matches!(a, Arg::Absent))) =>
        {
            keeps(true, false, 1)
        }
        _ => {
            let row = KEEPS.iter().find(|(_, names)| names.contains(&op));
            row.map_or(INPUTS, |(keeps, _)| *keeps)
        }
    }
}

/// Products: the gradient of one operand reads the other operands alone.
pub(super) fn is_product(op: &str) -> bool {
    matches!(
        op,
        "multiply"
            | "matmul"
            | "inner"
            | "outer"
            | "vecdot"
            | "tensordot"
            | "einsum"
            | "gather_mm"
            | "conv1d"
            | "conv2d"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ops;

    /// A misspelt name would be charged for its inputs.
    #[test]
    fn each_name_is_an_operation_and_stands_once() {
        let mut seen = BTreeSet::new();
        for name in KEEPS.iter().flat_map(|(_, names)| *names) {
            assert!(ops::find(name).is_some(), "no operation is called {name}");
            assert!(seen.insert(name), "{name} stands twice");
        }
    }
}
