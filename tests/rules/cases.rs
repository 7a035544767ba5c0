//! Cases written by hand: at least one for every operation.

const DTYPES: [&str; 5] = ["float", "f32", "i32", "u32", "bool"];

/// Arguments and expression.
pub type Case = (String, String);

fn case(args: &str, expr: &str) -> Case {
    (args.to_string(), expr.to_string())
}

/// Shapes of every rank up to four.
const SHAPES: [&str; 5] = ["", "A", "A, B", "1, A, B", "A, 2, B, a*b"];

pub fn accepted() -> Vec<Case> {
    let mut all = Vec::new();
    for (ops, dtypes) in ELEMENTWISE {
        for op in *ops {
            for d in *dtypes {
                for s in SHAPES {
                    all.push((format!("x: Tensor![{s}; {d}]"), format!("{op}(x)")));
                }
            }
        }
    }
    for (ops, dtypes) in PAIRS {
        for op in *ops {
            for d in *dtypes {
                for (s, t) in BROADCASTS {
                    let args = format!("x: Tensor![{s}; {d}], y: Tensor![{t}; {d}]");
                    all.push((args, format!("{op}(x, y)")));
                }
            }
        }
    }
    for op in [
        "sum",
        "mean",
        "max",
        "min",
        "prod",
        "logsumexp",
        "median",
        "all",
        "any",
        "var",
        "std",
    ] {
        for axes in ["-1", "0", "[0, 2]", "[-1, 1]", "[0, 1, 2]"] {
            for keep in ["", ", keepdims = true"] {
                all.push(case(
                    "x: Tensor![A, B, C]",
                    &format!("{op}(x, {axes}{keep})"),
                ));
            }
        }
        all.push(case("x: Tensor![A, B, C; f32]", &format!("{op}(x)")));
        all.push(case("x: Tensor![A]", &format!("{op}(x, 0)")));
    }
    for op in ["sum", "max", "min", "prod", "all", "any"] {
        for d in DTYPES {
            all.push((format!("x: Tensor![A, B; {d}]"), format!("{op}(x, -1)")));
        }
    }
    for op in ["argmax", "argmin"] {
        for d in DTYPES {
            for axis in ["0", "-1", "1, keepdims = true"] {
                all.push((format!("x: Tensor![A, B; {d}]"), format!("{op}(x, {axis})")));
            }
        }
    }
    for op in ["cumsum", "cumprod", "cummax", "cummin"] {
        for d in ["float", "f32", "i32", "u32"] {
            all.push((format!("x: Tensor![A, B; {d}]"), format!("{op}(x, 0)")));
        }
    }
    for op in ["zeros", "ones"] {
        for d in DTYPES {
            all.push((
                String::from("x: Tensor![A, B]"),
                format!("{op}([A, 2, B*B], dtype = {d})"),
            ));
        }
        all.push(case("x: Tensor![A, B]", &format!("{op}([A, a])")));
    }
    all.extend(OTHERS.iter().map(|(a, e)| case(a, e)));
    all
}

/// Operations on one tensor, and the dtypes that they take.
const ELEMENTWISE: &[(&[&str], &[&str])] = &[
    (
        &[
            "abs",
            "square",
            "stop_gradient",
            "contiguous",
            "zeros_like",
            "ones_like",
        ],
        &["float", "f32", "i32", "u32", "bool"],
    ),
    (
        &["negative", "sign", "floor", "ceil", "trunc", "round"],
        &["float", "f32", "i32", "u32"],
    ),
    (
        &[
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
            "isnan",
            "isinf",
            "isfinite",
            "isposinf",
            "isneginf",
            "relu",
            "relu2",
            "relu6",
            "selu",
            "silu",
            "gelu",
            "gelu_approx",
            "gelu_fast_approx",
            "mish",
            "hardswish",
            "softplus",
            "softsign",
            "log_sigmoid",
            "nan_to_num",
            "leaky_relu",
            "elu",
            "celu",
            "hard_tanh",
            "hard_shrink",
            "softshrink",
            "softmax",
        ],
        &["float", "f32"],
    ),
    (&["logical_not"], &["bool"]),
    (&["bitwise_invert"], &["i32", "u32", "bool"]),
];

/// Operations on two tensors, and the dtypes that they take.
const PAIRS: &[(&[&str], &[&str])] = &[
    (
        &[
            "add",
            "multiply",
            "maximum",
            "minimum",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "isclose",
        ],
        &["float", "f32", "i32", "u32", "bool"],
    ),
    (
        &["subtract", "power", "floor_divide", "remainder"],
        &["float", "f32", "i32", "u32"],
    ),
    (
        &["divide", "logaddexp", "arctan2", "prelu"],
        &["float", "f32"],
    ),
    (&["logical_and", "logical_or", "logical_xor"], &["bool"]),
    (
        &["bitwise_and", "bitwise_or", "bitwise_xor"],
        &["i32", "u32", "bool"],
    ),
    (&["left_shift", "right_shift"], &["i32", "u32"]),
];

/// Pairs of shapes that broadcast.
const BROADCASTS: &[(&str, &str)] = &[
    ("A, B", "A, B"),
    ("A, B", "B"),
    ("B", "A, B"),
    ("A, 1, B", "C, 1"),
    ("", "A, B"),
    ("1", "A, 1"),
    ("A, B, a*c", "1, 1, a*c"),
];

/// The others.
const OTHERS: &[(&str, &str)] = &[
    ("x: Tensor![A, B]", "round(x, 2)"),
    ("x: Tensor![A, B]", "astype(x, i32)"),
    ("x: Tensor![A, B; u32]", "astype(x, float)"),
    ("x: Tensor![A, B]", "x + 1"),
    ("x: Tensor![A, B; i32]", "2 * x"),
    ("x: Tensor![A, B; u32]", "less(x, 7)"),
    ("x: Tensor![A, B; f32]", "x / 2.5"),
    ("x: Tensor![A, B]", "clip(x, -1.0, 1.0)"),
    ("x: Tensor![A, B]", "clip(x, a_max = 1)"),
    ("x: Tensor![A, B], y: Tensor![B]", "clip(x, y)"),
    ("c: Tensor![A, 1; bool], x: Tensor![B], y: Tensor![C, 1, 1]", "where_(c, x, y)"),
    ("c: Tensor![A, B; bool], x: Tensor![A, B]", "where_(c, x, 0.0)"),
    ("x: Tensor![A, B], y: Tensor![A, B]", "swiglu(x, y)"),
    ("x: Tensor![A, 2 * b]", "glu(x)"),
    ("x: Tensor![6, A]", "glu(x, 0)"),
    ("x: Tensor![A, B]", "log_softmax(x)"),
    ("x: Tensor![A, B; f32]", "log_softmax(x, 0)"),
    ("x: Tensor![A, B]", "softmin(x, -2)"),
    ("x: Tensor![A, B, C]", "softmax(x, [0, -1], precise = true)"),
    ("a: Tensor![A, B], b: Tensor![B, C]", "matmul(a, b)"),
    ("a: Tensor![D, 1, A, B], b: Tensor![E, B, C]", "matmul(a, b)"),
    ("c: Tensor![C], a: Tensor![A, B], b: Tensor![B, C]", "addmm(c, a, b)"),
    ("c: Tensor![D, 1, C], a: Tensor![D, A, B], b: Tensor![B, C]", "addmm(c, a, b, alpha = 0.5, beta = 2.0)"),
    ("a: Tensor![A, B, D], b: Tensor![C, D]", "inner(a, b)"),
    ("a: Tensor![A], b: Tensor![B]", "outer(a, b)"),
    ("a: Tensor![A, B], b: Tensor![A, B]", "vecdot(a, b)"),
    ("a: Tensor![A, B, C], b: Tensor![A, B, C]", "vecdot(a, b, 1)"),
    ("a: Tensor![A, B, C], b: Tensor![B, C, D]", "tensordot(a, b)"),
    ("a: Tensor![A, B, C], b: Tensor![C, D]", "tensordot(a, b, 1)"),
    ("a: Tensor![A, B], b: Tensor![C, D]", "tensordot(a, b, 0)"),
    ("a: Tensor![A, B, C], b: Tensor![C, D, A]", "tensordot(a, b, [[0, 2], [-1, 0]])"),
    ("a: Tensor![A, B, C], b: Tensor![C, D]", "einsum(\"abc,cd->abd\", [a, b])"),
    ("a: Tensor![A, B], b: Tensor![C, B], c: Tensor![C, D]", "einsum(\"ij, kj, kl -> li\", [a, b, c])"),
    ("a: Tensor![A, B, C]", "einsum(\"ijk->ki\", [a])"),
    ("a: Tensor![A, B], b: Tensor![A, B]", "einsum(\"ij,ij->\", [a, b])"),
    ("a: Tensor![A, 1, B], b: Tensor![C, B, D], i: Tensor![A, E; u32]", "gather_mm(expand_dims(a, 1), b, rhs_indices = i)"),
    ("a: Tensor![A, 4, B], b: Tensor![C, B, D], i: Tensor![E; i32], j: Tensor![2, 1; i32]", "gather_mm(a, b, i, j)"),
    ("a: Tensor![A, 4, B], b: Tensor![A, B, D]", "gather_mm(a, b)"),
    ("x: Tensor![A, B, 128], w: Tensor![C, 16; u32], s: Tensor![C, 2], b: Tensor![C, 2]", "quantized_matmul(x, w, s, b)"),
    ("x: Tensor![A, C], w: Tensor![C, 32; u32], s: Tensor![C, 4], b: Tensor![C, 4]", "quantized_matmul(x, w, s, b, transpose = false, group_size = 32, bits = 8)"),
    ("w: Tensor![D, C, 16; u32], s: Tensor![D, C, 2], b: Tensor![D, C, 2]", "dequantize(w, s, b)"),
    ("w: Tensor![C, 8 * a; u32], s: Tensor![C, a], b: Tensor![C, a]", "dequantize(w, s, b, group_size = 128, bits = 2)"),
    ("x: Tensor![A, B, a * b]", "reshape(x, [A * a, b, B])"),
    ("x: Tensor![A, B, 6]", "reshape(x, [-1, 2, B])"),
    ("x: Tensor![]", "reshape(x, [1, 1])"),
    ("x: Tensor![A, B, C]", "flatten(x)"),
    ("x: Tensor![A, B, C, D]", "flatten(x, 1, -2)"),
    ("x: Tensor![]", "flatten(x)"),
    ("x: Tensor![A, a * b, C]", "unflatten(x, 1, [a, b])"),
    ("x: Tensor![A, 2 * a * b, C]", "unflatten(x, -2, [2, -1, b])"),
    ("x: Tensor![A, 1]", "broadcast_to(x, [b, A, c])"),
    ("x: Tensor![A, B, C]", "transpose(x, [2, 0, 1])"),
    ("x: Tensor![A, B, C]", "transpose(x, [-1, 0, -2])"),
    ("x: Tensor![A, B, C]", "swapaxes(x, 0, -1)"),
    ("x: Tensor![A, B, C, D]", "moveaxis(x, 0, 2)"),
    ("x: Tensor![A, B, C, D]", "moveaxis(x, -1, 1)"),
    ("x: Tensor![A, B]", "expand_dims(x, 0)"),
    ("x: Tensor![A, B]", "expand_dims(x, -1)"),
    ("x: Tensor![A, 1, B]", "squeeze(x, 1)"),
    ("x: Tensor![A, B], y: Tensor![C, B], z: Tensor![2, B]", "concatenate([x, y, z], 0)"),
    ("x: Tensor![A, B], y: Tensor![A, B]", "stack([x, y], -1)"),
    ("x: Tensor![A, 6]", "split(x, 3, -1)"),
    ("x: Tensor![2 * a, B]", "split(x, 2, 0)"),
    ("x: Tensor![A, a * b + 2 * c]", "split(x, [a * b, c, c], -1)"),
    ("x: Tensor![A, B, C]", "slice(x, [0, 1, 2], [A, 3, C])"),
    ("x: Tensor![A, B]", "slice(x, [1], [B], axes = -1)"),
    ("x: Tensor![A, B]", "slice(x, [-3], [-1], axes = [0])"),
    ("x: Tensor![A, 10]", "slice(x, [1], [10], strides = [4], axes = [1])"),
    ("x: Tensor![4 * a, B]", "slice(x, [0, 1], [4 * a, B], strides = [2, 1])"),
    ("x: Tensor![A, B]", "tile(x, [2, 3])"),
    ("x: Tensor![A, B]", "tile(x, [a])"),
    ("x: Tensor![A]", "tile(x, [b, 1, 2])"),
    ("x: Tensor![A, B]", "repeat(x, a, 1)"),
    ("x: Tensor![A, B]", "pad(x, [(1, 2), (0, a)])"),
    ("x: Tensor![A; f32]", "pad(x, [(0, b)], constant_values = 1.5)"),
    ("x: Tensor![A, B; i32]", "roll(x, 3, -1)"),
    ("x: Tensor![A, B, C]", "tril(x)"),
    ("x: Tensor![A, B; bool]", "triu(x, k = 1)"),
    ("x: Tensor![A, B], i: Tensor![C, D; i32]", "take(x, i, 0)"),
    ("x: Tensor![A, B], i: Tensor![; u32]", "take(x, i, -1)"),
    ("x: Tensor![A, B], i: Tensor![A, C; u32]", "take_along_axis(x, i, 1)"),
    ("x: Tensor![A, B], i: Tensor![1, C; u32]", "take_along_axis(x, i, 1)"),
    ("x: Tensor![A, B], i: Tensor![A, C; i32], v: Tensor![C]", "put_along_axis(x, i, v, 1)"),
    ("x: Tensor![A, B; i32]", "sort(x)"),
    ("x: Tensor![A, B]", "sort(x, 0)"),
    ("x: Tensor![A, B]", "argsort(x)"),
    ("x: Tensor![A, B; i32]", "argsort(x, -2)"),
    ("x: Tensor![A, 9]", "partition(x, 3)"),
    ("x: Tensor![A, B]", "argpartition(x, -2, 0)"),
    ("x: Tensor![A, 9]", "topk(x, 2)"),
    ("x: Tensor![A, B]", "topk(x, a, 0)"),
    ("x: Tensor![A, B]", "logcumsumexp(x, 1, reverse = true)"),
    ("x: Tensor![A, B; i32]", "cumsum(x, -1, inclusive = false)"),
    ("x: Tensor![A]", "full([A, 3], 0.5)"),
    ("x: Tensor![A]", "full([A], 3, dtype = i32)"),
    ("x: Tensor![A]", "arange(A)"),
    ("x: Tensor![A, B]", "arange(A, B, dtype = f32)"),
    ("x: Tensor![A]", "arange(3, 20, 4)"),
    ("x: Tensor![A]", "arange(9, 2, -3, dtype = float)"),
    ("x: Tensor![A]", "arange(1, 1 + 4 * A, 2, dtype = u32)"),
    ("x: Tensor![A]", "linspace(0.0, 1.0)"),
    ("x: Tensor![A]", "linspace(-1, 1, A, dtype = f32)"),
    ("x: Tensor![A, B]", "eye(A)"),
    ("x: Tensor![A, B]", "eye(A, B, k = -1, dtype = i32)"),
    ("x: Tensor![A, B]", "tri(A)"),
    ("x: Tensor![A, B]", "tri(A, B, k = 1, dtype = bool)"),
    ("key: Tensor![2; u32], x: Tensor![A, B]", "random::bits([A, 3, B], key)"),
    ("key: Tensor![2; u32], x: Tensor![A]", "random::bernoulli(0.25, [A], key)"),
    ("key: Tensor![2; u32], x: Tensor![A, B]", "random::uniform(-1.0, 1.0, [B, A], key)"),
    ("t: Tensor![A, B; i32], cache: &mut KvCache", "cache.positions(t)"),
    ("t: Tensor![A, B; i32], cache: &mut KvCache", "cache.distances(t)"),
    ("t: Tensor![A, B, C], cache: &mut KvCache", "distances(cache, t)"),
    ("t: Tensor![A, B, C], cache: &mut KvCache", "positions(cache, t)"),
    ("x: Tensor![A, B], w: Tensor![B]", "rms_norm(x, w, 1e-5)"),
    ("x: Tensor![A, B], w: Tensor![B], b: Tensor![B]", "layer_norm(x, w, b)"),
    ("x: Tensor![B; f32], w: Tensor![B; f32]", "layer_norm(x, w, eps = 1e-6)"),
    ("x: Tensor![A, B, C]", "layer_norm(x)"),
    ("x: Tensor![A, B, C, 8]", "rope(x, 8)"),
    ("x: Tensor![A, B, 10]", "rope(x, 6, traditional = true, base = 500.0, scale = 0.5, offset = 3)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 2, C, a], v: Tensor![A, 2, C, b]", "scaled_dot_product_attention(q, k, v)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 2, C, a], v: Tensor![A, 2, C, a]", "scaled_dot_product_attention(q, k, v, causal, scale = 0.5)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a]", "scaled_dot_product_attention(q, k, v, sliding(5))"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], s: Tensor![4]", "scaled_dot_product_attention(q, k, v, causal, sinks = s)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], m: Tensor![B, C; bool]", "scaled_dot_product_attention(q, k, v, m)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], m: Tensor![A, 1, 1, C]", "scaled_dot_product_attention(q, k, v, mask = m)"),
    ("s: Tensor![A, 4, B, C]", "causal_mask(s)"),
    ("s: Tensor![B, B; f32]", "causal_mask(s, window = 3)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 2, C, a]", "visible_keys(q, k)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, B, a]", "visible_keys(q, k, window = 3)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], m: Tensor![A, 1, 1, C; bool]", "scaled_dot_product_attention(q, k, v, causal & m)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], m: Tensor![B, C; bool]", "scaled_dot_product_attention(q, k, v, m & sliding(3))"),
    ("x: Tensor![A, B], i: Tensor![A, 2; i32]", "put_along_axis(x, i, 0.0, -1)"),
    ("m: Tensor![A, B; bool]", "where_(m, 1.0, 0.0)"),
    ("x: Tensor![A, B, c], w: Tensor![d, 3, c]", "conv_transpose1d(x, w, stride = 2, padding = 1, output_padding = 1)"),
    ("x: Tensor![A, 5, 6], w: Tensor![4, 3, 3]", "conv_transpose1d(x, w, dilation = 2, groups = 2)"),
    ("x: Tensor![A, B, 7, c], w: Tensor![d, 2, 3, c]", "conv_transpose2d(x, w, stride = [2, 1], padding = [0, 1])"),
    ("x: Tensor![A, B, c], w: Tensor![d, 3, c]", "conv1d(x, w, padding = 1)"),
    ("x: Tensor![A, 20, 6], w: Tensor![4, 3, 3]", "conv1d(x, w, stride = 2, padding = 2, dilation = 3, groups = 2)"),
    ("x: Tensor![A, B, C, c], w: Tensor![d, 5, 3, c]", "conv2d(x, w, padding = [2, 0])"),
    ("x: Tensor![A, 32, 28, 3], w: Tensor![d, 4, 4, 3]", "conv2d(x, w, stride = 4)"),
    ("x: Tensor![A, 2 * a, 9, 6], w: Tensor![9, 3, 3, 2]", "conv2d(x, w, stride = [2, 1], padding = 1, dilation = [1, 2], groups = 3)"),
    ("x: Tensor![A, 10, B]", "max_pool1d(x, 3)"),
    ("x: Tensor![A, 10, B]", "avg_pool1d(x, 3, stride = 2, padding = 1)"),
    ("x: Tensor![A, 4 * a, 9, C]", "max_pool2d(x, [2, 3])"),
    ("x: Tensor![A, 14, 9, C; f32]", "max_pool2d(x, 3, stride = 2, padding = 1)"),
    ("x: Tensor![A, 8, 2 * b, C]", "avg_pool2d(x, 2)"),
    ("x: Tensor![A, 8, 9, C]", "avg_pool2d(x, [2, 3], [1, 2], padding = [0, 1])"),
    ("x: Tensor![A, B, C], t: Tensor![A, B; i32]", "cross_entropy(x, t)"),
    ("x: Tensor![A, B, C], t: Tensor![A, C; i32], w: Tensor![A, C; f32]", "cross_entropy(x, t, w, axis = 1, label_smoothing = 0.1)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "cross_entropy(x, t, reduction = \"mean\")"),
    ("x: Tensor![A, C], t: Tensor![A; u32]", "nll_loss(x, t)"),
    ("x: Tensor![A, C], t: Tensor![C; i32]", "nll_loss(x, t, 0, \"sum\")"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "binary_cross_entropy(x, t)"),
    ("x: Tensor![A, C], t: Tensor![A, C], w: Tensor![A, C]", "binary_cross_entropy(x, t, w, with_logits = false, reduction = \"none\")"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "mse_loss(x, t)"),
    ("x: Tensor![A, C; f32], t: Tensor![A, C; f32]", "mse_loss(x, t, reduction = \"none\")"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "l1_loss(x, t)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "smooth_l1_loss(x, t, beta = 0.5)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "huber_loss(x, t, 2.0)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "log_cosh_loss(x, t)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "hinge_loss(x, t, \"sum\")"),
    ("x: Tensor![A, C], t: Tensor![A, C], v: Tensor![A, C]", "gaussian_nll_loss(x, t, v, full = true)"),
    ("x: Tensor![A, C], y: Tensor![A, C], t: Tensor![A, C]", "margin_ranking_loss(x, y, t, margin = 0.5)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "kl_div_loss(x, t)"),
    ("x: Tensor![A, C, D], t: Tensor![A, C, D]", "cosine_similarity_loss(x, t)"),
];

/// Calls that are refused.
pub fn refused() -> Vec<Case> {
    REFUSED.iter().map(|(a, e)| case(a, e)).collect()
}

const REFUSED: &[(&str, &str)] = &[
    ("x: Tensor![A, B], y: Tensor![C, B]", "x + y"),
    ("x: Tensor![A, B]", "negative(astype(x, bool))"),
    ("x: Tensor![A, B]", "sum(x, 2)"),
    ("x: Tensor![A, B]", "sum(x, [0, -2])"),
    ("x: Tensor![A, B]", "argmax(x, -3)"),
    ("x: Tensor![A, B]", "softmax(x, 2)"),
    ("x: Tensor![A, B]", "bitwise_invert(x)"),
    ("x: Tensor![A, B]", "left_shift(x, 1)"),
    ("x: Tensor![A, B]", "clip(x)"),
    ("x: Tensor![A, B], y: Tensor![3, B]", "clip(x, 0, y)"),
    ("x: Tensor![A, B], y: Tensor![C]", "clip(x, y)"),
    ("a: Tensor![A, B], b: Tensor![A, C]", "matmul(a, b)"),
    ("a: Tensor![D, A, B], b: Tensor![E, B, C]", "matmul(a, b)"),
    ("c: Tensor![A], a: Tensor![A, B], b: Tensor![B, C]", "addmm(c, a, b)"),
    ("a: Tensor![A, B], b: Tensor![A, C]", "inner(a, b)"),
    ("a: Tensor![A, B], b: Tensor![A, C]", "vecdot(a, b)"),
    ("a: Tensor![A, B, C], b: Tensor![C, B]", "tensordot(a, b)"),
    ("a: Tensor![A, B], b: Tensor![A, C]", "einsum(\"ij,jk->ik\", [a, b])"),
    ("a: Tensor![A, B], b: Tensor![B, C]", "einsum(\"ij,jk->il\", [a, b])"),
    ("a: Tensor![A, B], b: Tensor![B, C]", "einsum(\"ijk,jk->ik\", [a, b])"),
    ("a: Tensor![A, B], b: Tensor![B, C]", "einsum(\"ij->i\", [a, b])"),
    ("a: Tensor![A, 4, B], b: Tensor![C, D, E]", "gather_mm(a, b)"),
    ("a: Tensor![A, 4, B], b: Tensor![C, B, E]", "gather_mm(a, b)"),
    ("x: Tensor![A, 64], w: Tensor![C, 16; u32], s: Tensor![C, 2], b: Tensor![C, 2]", "quantized_matmul(x, w, s, b)"),
    ("w: Tensor![C, 16; u32], s: Tensor![C, 3], b: Tensor![C, 3]", "dequantize(w, s, b)"),
    ("x: Tensor![A, B]", "reshape(x, [A, C])"),
    ("x: Tensor![A, B]", "reshape(x, [-1, -1])"),
    ("x: Tensor![A, B]", "reshape(x, [C, -1])"),
    ("x: Tensor![6]", "reshape(x, [-2, -3])"),
    ("x: Tensor![A, B]", "unflatten(x, 0, [2, 3])"),
    ("x: Tensor![A, B]", "flatten(x, 1, 0)"),
    ("x: Tensor![A, B]", "broadcast_to(x, [A, C])"),
    ("x: Tensor![A, B]", "transpose(x, [0, 0])"),
    ("x: Tensor![A, B]", "transpose(x, [0])"),
    ("x: Tensor![A, B]", "moveaxis(x, 0, 2)"),
    ("x: Tensor![A, B]", "swapaxes(x, 0, -3)"),
    ("x: Tensor![A, B]", "expand_dims(x, 3)"),
    ("x: Tensor![A, B]", "squeeze(x, 0)"),
    ("x: Tensor![A, B], y: Tensor![C, D]", "concatenate([x, y], 0)"),
    ("x: Tensor![A, B], y: Tensor![A, C]", "stack([x, y], 0)"),
    ("x: Tensor![A, 7]", "split(x, 3, 1)"),
    ("x: Tensor![A, b + c]", "split(x, [b, b], 1)"),
    ("x: Tensor![A, 6]", "slice(x, [0, 0], [A, 7])"),
    ("x: Tensor![A, 6]", "slice(x, [4], [2], axes = 1)"),
    ("x: Tensor![A, 6]", "slice(x, [0], [6])"),
    ("x: Tensor![A, B]", "tile(x, [-1])"),
    ("x: Tensor![A, B]", "repeat(x, -2, 0)"),
    ("x: Tensor![A, B]", "pad(x, [(1, 1)])"),
    ("x: Tensor![A, B]", "pad(x, [(1, -1), (0, 0)])"),
    ("x: Tensor![A]", "tril(x)"),
    ("x: Tensor![A, B], i: Tensor![C]", "take(x, i, 0)"),
    ("x: Tensor![A, B], i: Tensor![C, C; i32]", "take_along_axis(x, i, 0)"),
    ("x: Tensor![A, B], i: Tensor![A; i32]", "take_along_axis(x, i, 0)"),
    ("x: Tensor![A, B], i: Tensor![A, C; i32], v: Tensor![D]", "put_along_axis(x, i, v, 1)"),
    ("x: Tensor![A, 5]", "argpartition(x, 5)"),
    ("x: Tensor![A, 5]", "topk(x, 6)"),
    ("x: Tensor![A, B]", "cumsum(x, 2)"),
    ("x: Tensor![A]", "zeros([-2])"),
    ("x: Tensor![A]", "arange(0, A, 0)"),
    ("key: Tensor![3; u32]", "random::bits([4], key)"),
    ("key: Tensor![2; i32]", "random::bernoulli(0.5, [4], key)"),
    ("key: Tensor![2, 2; u32]", "random::uniform(0.0, 1.0, [4], key)"),
    ("x: Tensor![A, B], w: Tensor![A]", "rms_norm(x, w, 1e-5)"),
    ("x: Tensor![A, B], w: Tensor![B], b: Tensor![A]", "layer_norm(x, w, b)"),
    ("x: Tensor![A, B], w: Tensor![1, B]", "layer_norm(x, w)"),
    ("x: Tensor![], w: Tensor![B]", "layer_norm(x, w)"),
    ("x: Tensor![B, 8]", "rope(x, 8)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 3, C, a], v: Tensor![A, 3, C, b]", "scaled_dot_product_attention(q, k, v)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, b], v: Tensor![A, 4, C, b]", "scaled_dot_product_attention(q, k, v)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![D, 4, C, a], v: Tensor![D, 4, C, a]", "scaled_dot_product_attention(q, k, v)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, B, a]", "scaled_dot_product_attention(q, k, v)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], m: Tensor![C, B; bool]", "scaled_dot_product_attention(q, k, v, m)"),
    ("q: Tensor![A, 4, B, a], k: Tensor![A, 4, C, a], v: Tensor![A, 4, C, a], s: Tensor![3]", "scaled_dot_product_attention(q, k, v, sinks = s)"),
    ("s: Tensor![A]", "causal_mask(s)"),
    ("x: Tensor![A, B, c], w: Tensor![d, 3, a]", "conv1d(x, w)"),
    ("x: Tensor![A, B], w: Tensor![d, 3, a]", "conv1d(x, w)"),
    ("x: Tensor![A, 2, c], w: Tensor![d, 3, c]", "conv1d(x, w)"),
    ("x: Tensor![A, 8, 4], w: Tensor![5, 3, 2]", "conv1d(x, w, groups = 2)"),
    ("x: Tensor![A, 8, 8, c], w: Tensor![d, 3, 3, c]", "conv2d(x, w, stride = 0)"),
    ("x: Tensor![A, 8, c], w: Tensor![d, 3, 5]", "conv_transpose1d(x, w)"),
    ("x: Tensor![A, 8, 8, c], w: Tensor![d, 3, 3, c]", "conv_transpose2d(x, w, stride = 0)"),
    ("x: Tensor![A, 8, 8, c], w: Tensor![d, 3, 3, c]", "conv2d(x, w, padding = [-1, 0])"),
    ("x: Tensor![A, B, c], w: Tensor![d, 3, c]", "conv1d(x, w, stride = 2)"),
    ("x: Tensor![A, 2, C]", "max_pool1d(x, 3)"),
    ("x: Tensor![A, 8, C]", "avg_pool2d(x, 2)"),
    ("x: Tensor![A, B, C], t: Tensor![A, C; i32]", "cross_entropy(x, t)"),
    ("x: Tensor![A, B, C], t: Tensor![A, B]", "cross_entropy(x, t)"),
    ("x: Tensor![A, C], t: Tensor![C, A]", "mse_loss(x, t)"),
    ("x: Tensor![A, C], t: Tensor![A]", "nll_loss(x, t)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "kl_div_loss(x, t, 2)"),
    ("x: Tensor![A, C], t: Tensor![A, C]", "mse_loss(x, t, \"middle\")"),
    ("x: Tensor![A, B]", "sum(x, 0, axes = 1)"),
];
