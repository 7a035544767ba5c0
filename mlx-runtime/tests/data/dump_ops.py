"""Writes ops.safetensors: inputs, and what MLX's Python makes of them, for ../ops.rs.

    pip install mlx==0.32.2 numpy && python dump_ops.py

Inputs are called in/<name>, outputs <operation>/<case>. Version and command are in the metadata.
"""

import pathlib

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
rng = np.random.default_rng(0)


def uniform(low, high, *shape):
    return mx.array(rng.uniform(low, high, shape).astype(np.float32))


IN = {
    "a": uniform(0.1, 0.9, 2, 3),  # within the domain of every function
    "b": uniform(-2, 2, 2, 3),
    "row": uniform(0.5, 2, 3),
    "scalar": mx.array(0.25),
    "half": uniform(0.1, 0.9, 2, 3).astype(mx.float16),
    "bf": uniform(0.1, 0.9, 2, 3).astype(mx.bfloat16),
    "int": mx.array([[1, 2, 3], [4, 1, 6]], mx.int32),
    "small": mx.array([[1, 2, 3], [0, 1, 2]], mx.uint8),
    "flag": mx.array([[True, False, True], [False, False, True]]),
    "odd": mx.array([[1.0, float("nan"), 3.0], [float("inf"), -float("inf"), 0.0]]),
    "empty": mx.zeros((0, 3)),
    "cube": uniform(-1, 1, 2, 3, 4),
    "left": uniform(-1, 1, 2, 4, 5),
    "right": uniform(-1, 1, 5, 3),
    "bias": uniform(-1, 1, 3),
    "square": uniform(-1, 1, 4, 4),
    "w": uniform(-1, 1, 8, 64),
    "x": uniform(-1, 1, 3, 64),
    "q": uniform(-1, 1, 1, 4, 5, 8),
    "k": uniform(-1, 1, 1, 2, 6, 8),
    "v": uniform(-1, 1, 1, 2, 6, 8),
    "mask": mx.array(rng.random((5, 6)) < 0.7) | mx.array(np.eye(5, 6, dtype=bool)),
    "added": uniform(-1, 1, 5, 6),
    "sinks": uniform(-1, 1, 4),
    "freqs": uniform(1, 100, 4),
    "logits": uniform(-3, 3, 2, 3, 7),
    "targets": mx.array([[0, 6, 3], [2, 2, 5]], mx.int32),
    "index": mx.array([1, 0, -1], mx.int32),
    "index_u": mx.array([[1, 0], [0, 1]], mx.uint32),
    "along": mx.array([[2, 0, 1], [-1, 1, 0]], mx.int32),
    "batches": uniform(-1, 1, 3, 2, 4),
    "experts": uniform(-1, 1, 5, 4, 2),
    "which": mx.array([4, 0, 2, 1], mx.uint32),
    "from": mx.array([0, 2, 1, 1], mx.uint32),
}
OUT = {}


def put(name, value):
    if isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            OUT[f"{name}/{i}"] = v
    else:
        OUT[name] = value


UNARY = """abs arccos arcsin arcsinh arctan arctanh ceil cos cosh degrees erf erfinv exp expm1 floor
isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative radians reciprocal
rsqrt sigmoid sign sin sinh sqrt square stop_gradient tan tanh zeros_like ones_like""".split()
for op in UNARY:
    for case in "a scalar half bf int odd empty".split():
        put(f"{op}/{case}", getattr(mx, op)(IN[case]))

BINARY = """add arctan2 divide equal floor_divide greater greater_equal less less_equal logaddexp
logical_and logical_or maximum minimum multiply not_equal power remainder subtract""".split()
PAIRS = "a:b a:row scalar:a half:bf bf:a int:a int:small a:odd flag:flag empty:row int:int".split()
for op in BINARY:
    for case in PAIRS:
        if case == "flag:flag" and op in ("subtract", "remainder", "floor_divide", "power"):
            continue
        # Integer division by zero ends the process.
        if case == "int:small" and op in ("remainder", "floor_divide"):
            continue
        x, y = case.split(":")
        put(f"{op}/{case}", getattr(mx, op)(IN[x], IN[y]))

REDUCE = "sum mean max min prod all any logsumexp count_nonzero".split()
for op in REDUCE:
    for keep in (False, True):
        put(f"{op}/cube::{keep}", getattr(mx, op)(IN["cube"], keepdims=keep))
        put(f"{op}/cube:1:{keep}", getattr(mx, op)(IN["cube"], 1, keepdims=keep))
        put(f"{op}/cube:0,-1:{keep}", getattr(mx, op)(IN["cube"], (0, -1), keepdims=keep))
    put(f"{op}/int:0:False", getattr(mx, op)(IN["int"], 0))
for op in ("var", "std"):
    put(f"{op}/cube:1", getattr(mx, op)(IN["cube"], 1, ddof=1))
    put(f"{op}/cube:", getattr(mx, op)(IN["cube"], ddof=0))
for op in ("argmax", "argmin"):
    put(f"{op}/cube:-1:False", getattr(mx, op)(IN["cube"], -1))
    put(f"{op}/cube:0:True", getattr(mx, op)(IN["cube"], 0, keepdims=True))
for op in ("sort", "argsort"):
    put(f"{op}/cube:1", getattr(mx, op)(IN["cube"], 1))
for op in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
    put(f"{op}/cube:1:False:True", getattr(mx, op)(IN["cube"], 1))
    put(f"{op}/cube:-1:True:False", getattr(mx, op)(IN["cube"], -1, reverse=True, inclusive=False))
put("softmax/cube:-1", mx.softmax(IN["cube"], -1))
put("softmax/cube:", mx.softmax(IN["cube"]))
put("softmax/bf:1", mx.softmax(IN["bf"], 1, precise=True))
put("topk/cube", mx.sort(mx.topk(IN["cube"], 2, -1), -1))

c = IN["cube"]
put("where_/flag", mx.where(IN["flag"], IN["a"], IN["row"]))
put("clip/b", mx.clip(IN["b"], -0.5, IN["row"]))
put("round/b", mx.round(IN["b"], 1))
put("nan_to_num/odd", mx.nan_to_num(IN["odd"], 7.0, 8.0))
put("astype/b", IN["b"].astype(mx.int32))
put("astype/bf", IN["bf"].astype(mx.float32))
put("view/int", IN["int"].view(mx.uint8))
put("isclose/a", mx.isclose(IN["a"], IN["a"] + 1e-6))
put("allclose/a", mx.allclose(IN["a"], IN["a"] + 0.1))
put("array_equal/a", mx.array_equal(IN["odd"], IN["odd"], equal_nan=True))

put("reshape/cube", mx.reshape(c, (4, -1)))
put("transpose/cube", mx.transpose(c))
put("transpose/axes", mx.transpose(c, (1, 0, 2)))
put("swapaxes/cube", mx.swapaxes(c, 0, -1))
put("moveaxis/cube", mx.moveaxis(c, 0, 2))
put("expand_dims/cube", mx.expand_dims(c, (0, -1)))
put("squeeze/cube", mx.squeeze(mx.expand_dims(c, (0, -1))))
put("squeeze/axis", mx.squeeze(mx.expand_dims(c, (0, -1)), 0))
put("flatten/cube", mx.flatten(c, 1, -1))
put("unflatten/cube", mx.unflatten(c, -1, (2, -1)))
put("broadcast_to/row", mx.broadcast_to(IN["row"], (2, 2, 3)))
put("concatenate/ab", mx.concatenate([IN["a"], IN["b"], IN["bf"]], 1))
put("stack/ab", mx.stack([IN["a"], IN["b"]], -1))
put("split/cube", mx.split(c, 2, -1))
put("split_at/cube", mx.split(c, [1, 3], 2))
put("slice/cube", c[0:2:1, 2:0:-1, 1:9:2])
u = mx.array(c)
u[:, 1:3, ::2] = IN["scalar"]
put("slice_update/cube", u)
put("take/cube", mx.take(c, IN["index"], 1))
put("take/u", mx.take(c, IN["index_u"], 0))
put("take_along_axis/b", mx.take_along_axis(IN["b"], IN["along"], 1))
put("put_along_axis/b", mx.put_along_axis(IN["b"], IN["along"], IN["a"], 1))
put("repeat/b", mx.repeat(IN["b"], 2, 1))
put("tile/b", mx.tile(IN["b"], (2, 1, 2)))
put("pad/b", mx.pad(IN["b"], [(1, 0), (0, 2)], constant_values=IN["scalar"]))
put("roll/b", mx.roll(IN["b"], 1, 1))
put("flip/b", IN["b"][:, ::-1])
put("tril/square", mx.tril(IN["square"], -1))
put("triu/square", mx.triu(IN["square"], 1))
put("contiguous/cube", mx.contiguous(mx.transpose(c)))
put("copy/b", mx.array(IN["b"]))
put("arange/f", mx.arange(1, 2, 0.25))
put("arange/i", mx.arange(5, 0, -2, mx.int32))
put("linspace/f", mx.linspace(0, 1, 5))
put("eye/f", mx.eye(3, 4, 1))
put("tri/f", mx.tri(3, 4, 0))
put("zeros/i", mx.zeros((2, 0), mx.int32))
put("ones/bf", mx.ones((2, 2), mx.bfloat16))
put("full/row", mx.full((2, 3), IN["row"].astype(mx.float16)))

put("matmul/batch", mx.matmul(IN["left"], IN["right"]))
put("matmul/vector", mx.matmul(IN["right"], IN["bias"]))
put("addmm/bias", mx.addmm(IN["bias"], IN["left"], IN["right"], 2.0, 0.5))
put("inner/a", mx.inner(IN["a"], IN["b"]))
put("outer/a", mx.outer(IN["a"], IN["row"]))
put("einsum/ij", mx.einsum("ij,kj->ik", IN["a"], IN["b"]))
put("tensordot/lr", mx.tensordot(IN["left"], IN["right"], [[2], [0]]))
put("gather_mm/experts", mx.gather_mm(IN["batches"], IN["experts"], IN["from"], IN["which"]))
for bits in (4, 8):
    parts = mx.quantize(IN["w"], 32, bits)
    put(f"quantize/{bits}", parts)
    put(f"dequantize/{bits}", mx.dequantize(*parts, 32, bits))
    put(f"quantized_matmul/{bits}", mx.quantized_matmul(IN["x"], *parts, True, 32, bits))

put("rms_norm/cube", mx.fast.rms_norm(c, mx.array([1.0, 2.0, 3.0, 4.0]), 1e-5))
put("rms_norm/none", mx.fast.rms_norm(c, None, 1e-5))
put("layer_norm/cube", mx.fast.layer_norm(c, mx.array([1.0, 2.0, 3.0, 4.0]), None, 1e-5))
put("rope/q", mx.fast.rope(IN["q"], 8, traditional=False, base=10000.0, scale=1.0, offset=3))
put("rope/traditional", mx.fast.rope(IN["q"], 6, traditional=True, base=100.0, scale=0.5, offset=0))
put("rope/freqs", mx.fast.rope(IN["q"], 8, traditional=False, base=None, scale=1.0, offset=2, freqs=IN["freqs"]))
sdpa = mx.fast.scaled_dot_product_attention
q, k, v = IN["q"], IN["k"], IN["v"]
put("sdpa/none", sdpa(q, k, v, scale=0.3))
put("sdpa/causal", sdpa(q, k, v, scale=0.3, mask="causal"))
put("sdpa/mask", sdpa(q, k, v, scale=0.3, mask=IN["mask"]))
put("sdpa/added", sdpa(q, k, v, scale=0.3, mask=IN["added"]))
put("sdpa/sinks", sdpa(q, k, v, scale=0.3, mask="causal", sinks=IN["sinks"]))
logits = IN["logits"]
picked = mx.take_along_axis(logits, IN["targets"][..., None], -1).squeeze(-1)
put("cross_entropy/logits", mx.logsumexp(logits, -1) - picked)

put("conv1d/batches", mx.conv1d(IN["batches"], mx.ones((2, 2, 4)), 1, 1))
image = mx.reshape(IN["w"], (1, 8, 16, 4))
put("conv2d/image", mx.conv2d(image, mx.ones((2, 3, 3, 2)), (2, 1), (1, 0), (1, 2), 2))
put("atleast_3d/b", mx.atleast_3d(IN["b"]))
put("diag/row", mx.diag(IN["row"], 1))
put("broadcast_arrays/ar", mx.broadcast_arrays(IN["a"], IN["row"]))
put("unstack/cube", mx.unstack(c, axis=1))
put("vecdot/ab", mx.vecdot(IN["a"], IN["b"], axis=-1))

arrays = {f"in/{k}": v for k, v in IN.items()} | OUT
here = pathlib.Path(__file__).parent
mx.save_safetensors(
    str(here / "ops.safetensors"),
    arrays,
    {"made by": "dump_ops.py, mlx " + mx.__version__ + ", CPU"},
)
print(len(OUT), "outputs")
