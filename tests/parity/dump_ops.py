"""Operations of the language through MLX's Python: values, and gradients of those with parameters.

    python tests/parity/dump_ops.py tests/parity/ops.safetensors

Each case is an expression of the language with its arguments, and the same in Python. The gradient is that of
sum(y * cos(0, 1, 2, ..)) for each floating-point argument. mlx 0.32.2, mlx-lm 0.32.2 (for its causal masks).
"""

import math
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.nn import losses as L
from mlx_lm.models.base import create_causal_mask

mx.set_default_device(mx.cpu)
mx.disable_compile()
rng = np.random.default_rng(7)


def f(*shape):
    """Normal numbers."""
    return mx.array(rng.normal(size=shape).astype(np.float32))


def p(*shape):
    """Numbers in (0.05, 0.95)."""
    return mx.array(rng.uniform(0.05, 0.95, size=shape).astype(np.float32))


def s(*shape):
    """1 and -1."""
    return mx.array(np.where(rng.normal(size=shape) > 0, 1, -1).astype(np.float32))


def i(n, *shape):
    """Whole numbers below n."""
    return mx.array(rng.integers(0, n, size=shape).astype(np.int32))


def b(*shape):
    """Conditions."""
    return mx.array(rng.normal(size=shape) > 0)


def u(shape, bits, group):
    """Packed weights with scales and biases."""
    return mx.quantize(f(*shape), group_size=group, bits=bits)


def window(length, keys, n=None):
    return create_causal_mask(length, keys - length, window_size=n)


def masked(x, n=None):
    seen = window(x.shape[-2], x.shape[-1], n)
    return mx.where(seen, x, mx.finfo(x.dtype).min)


def sdpa(q, k, v, scale=None, mask=None, sinks=None):
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale or q.shape[-1] ** -0.5, mask=mask, sinks=sinks)


CASES = []


def case(expr, run, **arrays):
    CASES.append((expr, run, arrays))


# Activations.
for name in "relu relu2 relu6 selu silu gelu gelu_approx gelu_fast_approx mish hardswish softplus softsign log_sigmoid".split():
    case(f"{name}(x)", getattr(nn, name), x=4 * f(3, 7))
case("leaky_relu(x)", nn.leaky_relu, x=f(3, 7))
case("leaky_relu(x, 0.3)", lambda x: nn.leaky_relu(x, 0.3), x=f(3, 7))
case("prelu(x, a)", nn.prelu, x=f(3, 7), a=f(7))
case("elu(x)", nn.elu, x=f(3, 7))
case("elu(x, alpha = 0.5)", lambda x: nn.elu(x, 0.5), x=f(3, 7))
case("celu(x, 0.7)", lambda x: nn.celu(x, 0.7), x=f(3, 7))
case("hard_tanh(x)", nn.hard_tanh, x=f(3, 7))
case("hard_tanh(x, max_val = 0.25)", lambda x: nn.hard_tanh(x, max_val=0.25), x=f(3, 7))
case("hard_shrink(x)", nn.layers.activations.hard_shrink, x=f(3, 7))
case("softshrink(x, 0.2)", lambda x: nn.softshrink(x, 0.2), x=f(3, 7))
case("softmin(x)", nn.softmin, x=f(3, 7))
case("log_softmax(x)", nn.log_softmax, x=9 * f(3, 7))
case("log_softmax(x, 0)", lambda x: nn.log_softmax(x, 0), x=f(3, 7))
case("glu(x)", nn.glu, x=f(3, 8))
case("glu(x, 0)", lambda x: nn.glu(x, 0), x=f(4, 3))
case("swiglu(x, y)", lambda x, y: nn.silu(x) * y, x=f(3, 8), y=f(3, 8))
# Losses.
for r in ["none", "mean", "sum"]:
    q = f'reduction = "{r}"'
    case(f"mse_loss(x, y, {q})", lambda x, y, r=r: L.mse_loss(x, y, r), x=f(3, 5), y=f(3, 5))
    case(f"cross_entropy(x, t, {q})", lambda x, t, r=r: L.cross_entropy(x, t, reduction=r), x=5 * f(3, 5), t=i(5, 3))
    case(f"binary_cross_entropy(x, y, {q})", lambda x, y, r=r: L.binary_cross_entropy(x, y, reduction=r), x=f(3, 5), y=p(3, 5))
case("cross_entropy(x, t, w, label_smoothing = 0.2)", lambda x, t, w: L.cross_entropy(x, t, w, label_smoothing=0.2), x=f(4, 5), t=i(5, 4), w=p(4))
case("cross_entropy(x, t, axis = 1)", lambda x, t: L.cross_entropy(x, t, axis=1), x=f(4, 5, 3), t=i(5, 4, 3))
case("cross_entropy(x, y)", L.cross_entropy, x=f(4, 5), y=p(4, 5))
case("nll_loss(x, t)", L.nll_loss, x=f(4, 5), t=i(5, 4))
case("nll_loss(x, t, 0, \"mean\")", lambda x, t: L.nll_loss(x, t, 0, "mean"), x=f(4, 5), t=i(4, 5))
case("binary_cross_entropy(x, y, w)", L.binary_cross_entropy, x=f(3, 5), y=p(3, 5), w=p(3, 5))
case("binary_cross_entropy(x, y, with_logits = false, reduction = \"none\")", lambda x, y: L.binary_cross_entropy(x, y, with_logits=False, reduction="none"), x=p(3, 5), y=p(3, 5))
case("l1_loss(x, y)", L.l1_loss, x=f(3, 5), y=f(3, 5))
case("smooth_l1_loss(x, y, 0.6, \"none\")", lambda x, y: L.smooth_l1_loss(x, y, 0.6, "none"), x=f(3, 5), y=f(3, 5))
case("smooth_l1_loss(x, y)", L.smooth_l1_loss, x=f(3, 5), y=f(3, 5))
case("huber_loss(x, y, 0.8)", lambda x, y: L.huber_loss(x, y, 0.8), x=2 * f(3, 5), y=f(3, 5))
case("log_cosh_loss(x, y)", L.log_cosh_loss, x=f(3, 5), y=f(3, 5))
case("hinge_loss(x, y)", L.hinge_loss, x=f(3, 5), y=s(3, 5))
case("gaussian_nll_loss(x, y, v)", L.gaussian_nll_loss, x=f(3, 5), y=f(3, 5), v=p(3, 5))
case("gaussian_nll_loss(x, y, v, full = true, reduction = \"none\")", lambda x, y, v: L.gaussian_nll_loss(x, y, v, full=True, reduction="none"), x=f(3, 5), y=f(3, 5), v=p(3, 5))
case("margin_ranking_loss(x, y, z, 0.3)", lambda x, y, z: L.margin_ranking_loss(x, y, z, 0.3), x=f(3, 5), y=f(3, 5), z=s(3, 5))
case("kl_div_loss(x, y)", L.kl_div_loss, x=f(3, 5), y=f(3, 5))
case("kl_div_loss(x, y, 0, \"sum\")", lambda x, y: L.kl_div_loss(x, y, 0, "sum"), x=f(3, 5), y=f(3, 5))
case("cosine_similarity_loss(x, y)", L.cosine_similarity_loss, x=f(3, 5), y=f(3, 5))
case("cosine_similarity_loss(x, y, axis = 0, reduction = \"mean\")", lambda x, y: L.cosine_similarity_loss(x, y, axis=0, reduction="mean"), x=f(3, 5), y=f(3, 5))
# Windows.
case("max_pool1d(x, 2)", nn.MaxPool1d(2), x=f(2, 8, 3))
case("max_pool1d(x, 3, stride = 2, padding = 1)", nn.MaxPool1d(3, 2, 1), x=f(2, 9, 3))
case("avg_pool1d(x, 3)", nn.AvgPool1d(3), x=f(2, 10, 3))
case("max_pool2d(x, 2)", nn.MaxPool2d(2), x=f(2, 6, 4, 3))
case("max_pool2d(x, [3, 2], [2, 1], padding = [1, 0])", nn.MaxPool2d((3, 2), (2, 1), (1, 0)), x=f(2, 7, 5, 2))
case("avg_pool2d(x, 3, stride = 1, padding = 1)", nn.AvgPool2d(3, 1, 1), x=f(2, 5, 4, 3))
case("avg_pool2d(x, [2, 4])", nn.AvgPool2d((2, 4)), x=f(2, 6, 8, 3))
case("conv1d(x, w, stride = 2, padding = 1, dilation = 2, groups = 2)", lambda x, w: mx.conv1d(x, w, 2, 1, 2, 2), x=f(2, 9, 4), w=f(6, 3, 2))
case("conv2d(x, w, stride = [2, 1], padding = [1, 0], dilation = [1, 2])", lambda x, w: mx.conv2d(x, w, (2, 1), (1, 0), (1, 2)), x=f(2, 7, 8, 3), w=f(4, 3, 2, 3))
# Attention.
case("causal_mask(x)", masked, x=f(2, 4, 6))
case("causal_mask(x, window = 3)", lambda x: masked(x, 3), x=f(2, 5, 5))
case("softmax(causal_mask(x, 2), -1)", lambda x: mx.softmax(masked(x, 2), -1), x=f(3, 4, 7))
qkv = dict(q=f(2, 4, 5, 8), k=f(2, 2, 7, 8), v=f(2, 2, 7, 8))
case("scaled_dot_product_attention(q, k, v)", sdpa, **qkv)
case("scaled_dot_product_attention(q, k, v, causal, scale = 0.3)", lambda q, k, v: sdpa(q, k, v, 0.3, "causal"), **qkv)
case("scaled_dot_product_attention(q, k, v, sliding(3))", lambda q, k, v: sdpa(q, k, v, mask=window(5, 7, 3)), **qkv)
case("scaled_dot_product_attention(q, k, v, sliding(9))", lambda q, k, v: sdpa(q, k, v, mask=window(5, 7)), **qkv)
case("scaled_dot_product_attention(q, k, v, m)", lambda q, k, v, m: sdpa(q, k, v, mask=m), **qkv, m=f(5, 7))
case("scaled_dot_product_attention(q, k, v, mask = m)", lambda q, k, v, m: sdpa(q, k, v, mask=m), **qkv, m=window(5, 7))
case("scaled_dot_product_attention(q, k, v, sinks = n)", lambda q, k, v, n: sdpa(q, k, v, sinks=n), **qkv, n=f(4))
case("scaled_dot_product_attention(q, k, v, sliding(2), sinks = n)", lambda q, k, v, n: sdpa(q, k, v, mask=window(5, 7, 2), sinks=n), **qkv, n=f(4))
case("rope(x, 6, traditional = true, base = 500.0, scale = 0.5, offset = 3)", lambda x: mx.fast.rope(x, 6, traditional=True, base=500.0, scale=0.5, offset=3), x=f(2, 3, 4, 8))
case("rope(x, 8)", lambda x: mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=0), x=f(2, 3, 4, 8))
case("layer_norm(x, w, z)", lambda x, w, z: mx.fast.layer_norm(x, w, z, 1e-5), x=f(3, 6), w=f(6), z=f(6))
case("layer_norm(x, eps = 0.1)", lambda x: mx.fast.layer_norm(x, None, None, 0.1), x=f(3, 6))
case("rms_norm(x, w, 0.01)", lambda x, w: mx.fast.rms_norm(x, w, 0.01), x=f(3, 6), w=f(6))
# Products.
case("addmm(z, x, y, alpha = 0.5, beta = 2.0)", lambda z, x, y: mx.addmm(z, x, y, 0.5, 2.0), z=f(4), x=f(3, 5), y=f(5, 4))
case("tensordot(x, y, [[0, 2], [1, 0]])", lambda x, y: mx.tensordot(x, y, [[0, 2], [1, 0]]), x=f(3, 4, 5), y=f(5, 3, 2))
case("tensordot(x, y)", mx.tensordot, x=f(2, 3, 4), y=f(3, 4, 5))
case("einsum(\"bij,kj->bki\", [x, y])", lambda x, y: mx.einsum("bij,kj->bki", x, y), x=f(2, 3, 4), y=f(5, 4))
case("gather_mm(x, y, j, t)", lambda x, y, j, t: mx.gather_mm(x, y, j, t), x=f(3, 2, 4), y=f(5, 4, 3), j=i(3, 6), t=i(5, 6))
case("inner(x, y)", mx.inner, x=f(2, 4), y=f(3, 4))
case("outer(x, y)", mx.outer, x=f(4), y=f(3))
case("vecdot(x, y, 0)", lambda x, y: mx.vecdot(x, y, axis=0), x=f(4, 3), y=f(4, 3))
w4, w8 = u((6, 128), 4, 64), u((64, 32), 8, 32)
case("quantized_matmul(x, w, n, o)", lambda x, w, n, o: mx.quantized_matmul(x, w, n, o), x=f(3, 128), w=w4[0], n=w4[1], o=w4[2])
case("quantized_matmul(x, w, n, o, false, 32, 8)", lambda x, w, n, o: mx.quantized_matmul(x, w, n, o, False, 32, 8), x=f(3, 64), w=w8[0], n=w8[1], o=w8[2])
case("dequantize(w, n, o)", lambda w, n, o: mx.dequantize(w, n, o, 64, 4), w=w4[0], n=w4[1], o=w4[2])
# Shapes, indices, orders: that the arguments arrive where they belong.
case("flatten(x, 1, 2)", lambda x: mx.flatten(x, 1, 2), x=f(2, 3, 4, 5))
case("unflatten(x, 1, [3, -1])", lambda x: mx.unflatten(x, 1, [3, -1]), x=f(2, 6, 2))
case("moveaxis(x, 0, 2)", lambda x: mx.moveaxis(x, 0, 2), x=f(2, 3, 4))
case("roll(x, 2, 1)", lambda x: mx.roll(x, 2, 1), x=f(2, 5))
case("tile(x, [2, 3])", lambda x: mx.tile(x, [2, 3]), x=f(2, 3))
case("repeat(x, 3, 1)", lambda x: mx.repeat(x, 3, 1), x=f(2, 3))
case("pad(x, [(1, 2), (0, 3)], constant_values = 1.5)", lambda x: mx.pad(x, [(1, 2), (0, 3)], constant_values=1.5), x=f(2, 3))
case("slice(x, [1], [6], strides = [2], axes = [1])", lambda x: x[:, 1:6:2], x=f(2, 7))
case("slice(x, [0, -3], [1, -1])", lambda x: x[0:1, -3:-1], x=f(2, 7))
case("tril(x, k = -1)", lambda x: mx.tril(x, -1), x=f(3, 4))
case("triu(x)", lambda x: mx.triu(x, 0), x=f(3, 4))
case("take_along_axis(x, t, 1)", lambda x, t: mx.take_along_axis(x, t, 1), x=f(3, 5), t=i(5, 3, 2))
case("put_along_axis(x, t, v, 1)", lambda x, t, v: mx.put_along_axis(x, t, v, 1), x=f(3, 5), t=mx.argsort(f(3, 5), 1)[:, :2].astype(mx.int32), v=f(3, 2))
case("sort(x, 0)", lambda x: mx.sort(x, 0), x=f(4, 3))
case("argsort(x)", lambda x: mx.argsort(x), x=f(4, 3))
case("sort(topk(x, 2))", lambda x: mx.sort(mx.topk(x, 2)), x=f(3, 6))
case("cumsum(x, 1, reverse = true, inclusive = false)", lambda x: mx.cumsum(x, 1, reverse=True, inclusive=False), x=f(3, 4))
case("cumprod(x, 0)", lambda x: mx.cumprod(x, 0), x=f(3, 4))
case("cummax(x, 1)", lambda x: mx.cummax(x, 1), x=f(3, 4))
case("logcumsumexp(x, 1)", lambda x: mx.logcumsumexp(x, 1), x=f(3, 4))
case("var(x, 1, ddof = 1)", lambda x: mx.var(x, 1, ddof=1), x=f(3, 4))
case("std(x, [0, 1], keepdims = true)", lambda x: mx.std(x, [0, 1], True), x=f(3, 4))
case("median(x, 1)", lambda x: mx.median(x, 1), x=f(3, 5))
case("clip(x, -0.5, y)", lambda x, y: mx.clip(x, -0.5, y), x=f(3, 4), y=p(4))
case("where_(c, x, 2.0)", lambda c, x: mx.where(c, x, 2.0), c=b(3, 4), x=f(3, 4))
case("nan_to_num(log(x), nan = 3.0, neginf = -2.0)", lambda x: mx.nan_to_num(mx.log(x), 3.0, None, -2.0), x=mx.round(f(3, 4)))
case("isclose(x, y, rtol = 0.5, atol = 0.1)", lambda x, y: mx.isclose(x, y, 0.5, 0.1), x=f(4, 4), y=f(4, 4))
case("round(x, 1)", lambda x: mx.round(x, 1), x=f(3, 4))
case("arctan2(x, y)", mx.arctan2, x=f(3), y=f(3))
case("floor_divide(x, y)", mx.floor_divide, x=i(50, 6), y=i(4, 6) + 1)
case("remainder(x, 7)", lambda x: mx.remainder(x, 7), x=i(50, 6))
case("left_shift(x, y)", mx.left_shift, x=i(9, 5), y=i(4, 5))
case("x + full([3], 0.25, dtype = f32)", lambda x: x + 0.25, x=f(3))
case("arange(2, 11, 3, dtype = f32) * x", lambda x: mx.arange(2, 11, 3, dtype=mx.float32) * x, x=f(3))
case("linspace(0.5, 2, 4, dtype = f32) * x", lambda x: mx.linspace(0.5, 2, 4) * x, x=f(4))
case("eye(3, 4, k = 1, dtype = f32) + x", lambda x: mx.eye(3, 4, 1) + x, x=f(3, 4))
case("tri(3, k = -1, dtype = f32) + x", lambda x: mx.tri(3, 3, -1, mx.float32) + x, x=f(3, 3))

NAMES = {mx.float32: "f32", mx.int32: "i32", mx.uint32: "u32", mx.bool_: "bool"}
# A mask and padding, transposed convolutions, numbers in place of tensors, sizes as numbers.
case("scaled_dot_product_attention(q, k, v, causal & m)", lambda q, k, v, m: sdpa(q, k, v, mask=mx.logical_and(window(5, 7), m)), **qkv, m=b(2, 1, 5, 7))
case("scaled_dot_product_attention(q, k, v, m & sliding(4))", lambda q, k, v, m: sdpa(q, k, v, mask=mx.logical_and(window(5, 7, 4), m)), **qkv, m=b(2, 1, 1, 7))
case("conv_transpose1d(x, w, stride = 2, padding = 1, output_padding = 1)", lambda x, w: mx.conv_transpose1d(x, w, 2, 1, 1, 1), x=f(2, 5, 3), w=f(4, 3, 3))
case("conv_transpose2d(x, w, stride = [2, 1], padding = [0, 1])", lambda x, w: mx.conv_transpose2d(x, w, (2, 1), (0, 1)), x=f(2, 4, 5, 3), w=f(2, 2, 3, 3))
case("where_(m, 1.0, 0.25).astype(f32) * x", lambda m, x: mx.where(m, 1.0, 0.25) * x, m=b(3, 4), x=f(3, 4))
case("put_along_axis(x, i, 0.5, -1)", lambda x, i: mx.put_along_axis(x, i, mx.array(0.5), -1), x=f(3, 4), i=mx.array([[0, 2], [1, 3], [3, 0]]))
case("x * sqrt(12) / 3.powf(2.0)", lambda x: x * math.sqrt(12) / 9, x=f(3, 4))


def main(path):
    out, facts = {}, {"mlx": mx.__version__, "cases": str(len(CASES))}
    for n, (expr, run, arrays) in enumerate(CASES):
        args = [f"{k}: Tensor![{', '.join(map(str, a.shape))}; {NAMES[a.dtype]}]" for k, a in arrays.items()]
        names = list(arrays)
        y = run(*arrays.values())
        facts[f"{n}.args"], facts[f"{n}.expr"] = ", ".join(args), expr
        for k, a in arrays.items():
            out[f"{n}.{k}"] = a
        out[f"{n}.="] = y
        # Packed weights and orders have no gradient; neither has what gives no numbers.
        wanted = [j for j, k in enumerate(names) if arrays[k].dtype == mx.float32]
        if y.dtype == mx.float32 and wanted and "quanti" not in expr and not expr.startswith("round"):
            c = mx.cos(mx.arange(y.size).astype(mx.float32)).reshape(y.shape)
            grads = mx.grad(lambda *a: mx.sum(run(*a) * c), wanted)(*arrays.values())
            grads = [grads] if isinstance(grads, mx.array) else grads
            for j, g in zip(wanted, grads, strict=True):
                out[f"{n}.d{names[j]}"] = g
    mx.save_safetensors(path, out, facts)
    print(len(CASES), "cases,", sum(1 for k in out if ".d" in k), "gradients")


main(sys.argv[1])
