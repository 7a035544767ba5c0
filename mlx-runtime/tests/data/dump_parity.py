"""Writes parity.safetensors: cases of operations over dtypes, ranks and broadcasts, for ../parity.rs.

    pip install mlx==0.32.2 numpy && python dump_parity.py

Inputs are called in/<name>, outputs <number>/<n>. The metadata hold the cases as JSON: for each the
operation, its inputs and its arguments by name.
"""

import json
import pathlib

import dump_parity_more
import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
rng = np.random.default_rng(1)


def uniform(low, high, *shape):
    return mx.array(rng.uniform(low, high, shape).astype(np.float32))


def psd(n):
    a = rng.uniform(-1, 1, (n, n))
    return mx.array((a @ a.T + n * np.eye(n)).astype(np.float32))


IN = {
    # Within the domain of every elementwise function.
    "f32": uniform(0.1, 0.9, 2, 3),
    "f16": uniform(0.1, 0.9, 3).astype(mx.float16),
    "h1": uniform(0.1, 0.9, 2).astype(mx.float16),
    "bf16": uniform(0.1, 0.9, 2, 1, 2).astype(mx.bfloat16),
    "zero_d": mx.array(0.75),
    "i32": mx.array([[5, -2, 7], [1, 3, -4]], mx.int32),
    "i64": mx.array([3, 1, 2], mx.int64),
    "i8": mx.array([[4], [-3]], mx.int8),
    "u8": mx.array([7, 2, 9], mx.uint8),
    "u32": mx.array([[1, 2, 3], [6, 5, 4]], mx.uint32),
    "flag": mx.array([[True, False, True], [False, False, True]]),
    "row": uniform(0.5, 2, 3),
    "column": uniform(0.5, 2, 2, 1),
    "cube": uniform(-1, 1, 2, 3, 4),
    "four": uniform(-1, 1, 2, 1, 3, 2),
    "sorted": mx.array([0.0, 0.5, 0.5, 1.5, 2.0]),
    "complex": mx.array([[1 + 2j, -0.5j, 3 + 0j], [0.25 - 1j, 2j, -1 + 1j]], mx.complex64),
    "square": uniform(-1, 1, 3, 3),
    "squares": uniform(-1, 1, 2, 3, 3),
    "psd": psd(3),
    "tall": uniform(-1, 1, 4, 2),
    "rhs": uniform(-1, 1, 3, 2),
    "triangle": mx.array([[2.0, 0, 0], [1, 3, 0], [0.5, -1, 1.5]]),
    "vector": uniform(-1, 1, 3),
    "other": uniform(-1, 1, 3),
    "line": uniform(-1, 1, 1, 8, 2),
    "kernel1": uniform(-1, 1, 3, 3, 2),
    "image": uniform(-1, 1, 1, 5, 4, 2),
    "kernel2": uniform(-1, 1, 3, 2, 3, 2),
    "volume": uniform(-1, 1, 1, 3, 4, 3, 2),
    "kernel3": uniform(-1, 1, 2, 2, 2, 2, 2),
    "table": uniform(-1, 1, 4, 3),
    "pick": mx.array([2, 0, -1], mx.int32),
    "picks": mx.array([[1, 0], [3, 2]], mx.uint32),
    "along": mx.array([[2, 0, 1], [1, 1, 0]], mx.int32),
    "start": mx.array([1, 1], mx.int32),
    "patch": uniform(-1, 1, 2, 2),
    "updates": uniform(-1, 1, 3, 1, 3),
    "small": uniform(-1, 1, 2),
    "m": uniform(-1, 1, 4, 6),
    "n": uniform(-1, 1, 6, 3),
    "segments": mx.array([[0, 2], [2, 6], [1, 1]], mx.uint32),
    "big_a": uniform(-1, 1, 32, 64),
    "big_b": uniform(-1, 1, 64, 32),
    "block_mask": mx.array([[True, False]]),
    "weights": uniform(-1, 1, 4, 64),
    "x64": uniform(-1, 1, 2, 64),
    "experts": uniform(-1, 1, 3, 4, 64),
    "tokens": uniform(-1, 1, 5, 1, 64),
    "expert_of": mx.array([2, 0, 1, 1, 2], mx.uint32),
    "q": uniform(-1, 1, 1, 2, 3, 8),
    "offset": mx.array(3, mx.int32),
    "mean2": uniform(-1, 1, 2),
    "eight": uniform(-1, 1, 2, 8),
    "fp8": mx.array([0, 56, 64, 120, 184], mx.uint8),
    "logits": uniform(-2, 2, 2, 5),
}
CASES, OUT = [], {}


def put(op, inputs, value, **args):
    """One case: `value` is what MLX makes of it."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    number = len(CASES)
    CASES.append({"op": op, "in": inputs, "args": args, "outputs": len(values)})
    for i, v in enumerate(values):
        OUT[f"{number}/{i}"] = mx.contiguous(v)


def x(*names):
    return [IN[n] for n in names]


def each(ops, names, module=mx):
    for op in ops.split():
        for name in names.split():
            put(op, [name], getattr(module, op)(IN[name]))


FLOATS = "f32 f16 bf16 zero_d"
each(
    "abs arccos arcsin arcsinh arctan arctanh ceil cos cosh degrees erf erfinv exp expm1 floor isfinite"
    " isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative radians reciprocal rsqrt"
    " sigmoid sign sin sinh sqrt square tan tanh",
    FLOATS,
)
each("abs exp logical_not negative sqrt sign square", "i32 u8")
each("abs conjugate real imag square exp", "complex")
each("bitwise_invert", "i32 u8 flag")
each("zeros_like ones_like stop_gradient atleast_1d atleast_2d atleast_3d", "zero_d i64")
put("positive", ["f32"], IN["f32"])
put("to_fp8", ["f32"], mx.to_fp8(IN["f32"]))
put("from_fp8", ["fp8"], mx.from_fp8(IN["fp8"], mx.float16), dtype="float16")

PAIRS = [("f32", "row"), ("f16", "column"), ("bf16", "h1"), ("cube", "zero_d"), ("i32", "row"), ("i8", "u8")]
for op in (
    "add arctan2 divide equal floor_divide greater greater_equal less less_equal logaddexp logical_and"
    " logical_or maximum minimum multiply not_equal power remainder subtract"
).split():
    for a, b in PAIRS:
        if op == "power" and a in ("i8", "cube"):
            continue
        put(op, [a, b], getattr(mx, op)(IN[a], IN[b]))
for op in "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split():
    for a, b in [("i32", "u8"), ("u32", "i64")]:
        put(op, [a, b], getattr(mx, op)(IN[a], IN[b]))
for a, b in [("f32", "row"), ("i32", "u8"), ("cube", "zero_d")]:
    put("divmod", [a, b], mx.divmod(IN[a], IN[b]))

for op in "sum mean max min prod all any logsumexp".split():
    for name, axes, keep in [("cube", [], False), ("cube", [0, 2], True), ("four", [-1], False), ("i32", [1], True)]:
        if op == "logsumexp" and name == "i32":
            continue
        value = getattr(mx, op)(IN[name], axis=axes or None, keepdims=keep)
        put(op, [name], value, axes=axes, keepdims=keep)
for op in "var std".split():
    for axes, ddof in [([], 0), ([1], 1), ([0, 2], 1)]:
        put(op, ["cube"], getattr(mx, op)(IN["cube"], axis=axes or None, ddof=ddof), axes=axes, keepdims=False, ddof=ddof)
for axes in ([], [1], [0, 2]):
    put("median", ["cube"], mx.median(IN["cube"], axis=axes or None), axes=axes, keepdims=False)
    put("softmax", ["cube"], mx.softmax(IN["cube"], axis=axes or None, precise=True), axes=axes)
for op in "argmax argmin".split():
    for name, axis, keep in [("cube", 1, True), ("i32", -1, False), ("cube", None, False)]:
        put(op, [name], getattr(mx, op)(IN[name], axis=axis, keepdims=keep), axis=axis, keepdims=keep)
for op in "cumsum cumprod cummax cummin logcumsumexp".split():
    for name, axis, reverse, inclusive in [("cube", 1, False, True), ("f32", 0, True, False), ("cube", None, False, True)]:
        value = getattr(mx, op)(IN[name], axis=axis, reverse=reverse, inclusive=inclusive)
        put(op, [name], value, axis=axis, reverse=reverse, inclusive=inclusive)
for op in "sort argsort".split():
    for name, axis in [("cube", -1), ("i32", 0), ("f16", None), ("u32", None)]:
        put(op, [name], getattr(mx, op)(IN[name], axis=axis), axis=axis)
for op, k in [("partition", 1), ("topk", 2)]:
    for name, axis in [("small", 0), ("u32", None)]:
        n = 2 if name == "small" else 6
        k2 = min(k, n)
        # The order of the others is not said: all of them are sorted here and there.
        value = getattr(mx, op)(IN[name], k2, axis=axis)
        put(op, [name], mx.sort(value.flatten()), k=k2, axis=axis)

f = mx.fft
for name in ("f32", "complex"):
    put("fft", [name], f.fft(IN[name], 4, -1), n=4, axis=-1)
    put("ifft", [name], f.ifft(IN[name], 3, 0), n=3, axis=0)
    put("fft2", [name], f.fft2(IN[name], [2, 3], [0, 1]), n=[2, 3], axes=[0, 1])
    put("ifft2", [name], f.ifft2(IN[name], [2, 3], [0, 1]), n=[2, 3], axes=[0, 1])
    put("irfft", [name], f.irfft(IN[name], 4, -1), n=4, axis=-1)
    put("irfft2", [name], f.irfft2(IN[name], [2, 4], [0, 1]), n=[2, 4], axes=[0, 1])
put("rfft", ["cube"], f.rfft(IN["cube"], 5, 1), n=5, axis=1)
put("rfft2", ["cube"], f.rfft2(IN["cube"], [3, 4], [1, 2]), n=[3, 4], axes=[1, 2])
for op in "fftn ifftn rfftn irfftn".split():
    put(op, ["cube"], getattr(f, op)(IN["cube"], [2, 3, 4], [0, 1, 2]), n=[2, 3, 4], axes=[0, 1, 2])
put("fftshift", ["cube"], f.fftshift(IN["cube"], [0, 2]), axes=[0, 2])
put("ifftshift", ["cube"], f.ifftshift(IN["cube"], [1]), axes=[1])
put("fftfreq", [], f.fftfreq(5, 0.5), n=5, d=0.5)
put("rfftfreq", [], f.rfftfreq(6, 2.0), n=6, d=2.0)

la = mx.linalg
for upper in (False, True):
    put("cholesky", ["psd"], la.cholesky(IN["psd"], upper), upper=upper)
    put("cholesky_inv", ["triangle"], la.cholesky_inv(IN["triangle"], upper), upper=upper)
put("tri_inv", ["triangle"], la.tri_inv(IN["triangle"], False), upper=False)
put("solve_triangular", ["triangle", "rhs"], la.solve_triangular(*x("triangle", "rhs"), upper=False), upper=False)
put("cross", ["vector", "other"], la.cross(*x("vector", "other")), axis=-1)
put("cross", ["square", "vector"], la.cross(*x("square", "vector"), axis=-1), axis=-1)
for name in ("psd", "squares"):
    put("det", [name], la.det(IN[name]))
    put("slogdet", [name], la.slogdet(IN[name]))
    put("inv", [name], la.inv(IN[name]))
put("solve", ["psd", "rhs"], la.solve(*x("psd", "rhs")))
put("pinv", ["tall"], la.pinv(IN["tall"]))
put("eigvalsh", ["psd"], la.eigvalsh(IN["psd"]))
put("svd_values", ["tall"], la.svd(IN["tall"], compute_uv=False))
put("lu", ["square"], la.lu(IN["square"]))
put("lu_factor", ["square"], la.lu_factor(IN["square"]))
# Signs of columns are not said.
put("qr", ["tall"], [mx.abs(v) for v in la.qr(IN["tall"])])
put("eigh", ["psd"], [mx.abs(v) for v in la.eigh(IN["psd"])])
for ord, axis, keep in [(1.0, [1], False), (3.0, [0], True), (float("inf"), [0, 1], False), (2.0, None, False)]:
    name = "square" if axis != [0] else "row"
    if axis is None:
        name = "vector"
    value = la.norm(IN[name], ord, axis=axis, keepdims=keep)
    put("norm", [name], value, ord=str(ord), axis=axis, keepdims=keep)
for ord in ("fro", "nuc"):
    put("norm_matrix", ["squares"], la.norm(IN["squares"], ord, axis=[1, 2]), ord=ord, axis=[1, 2], keepdims=False)
put("norm_l2", ["cube"], la.norm(IN["cube"], axis=[2]), axis=[2], keepdims=False)
put("norm_l2", ["four"], la.norm(IN["four"]), axis=None, keepdims=False)

for op in "bartlett blackman hamming hanning".split():
    for m in (1, 5):
        put(op, [], getattr(mx, op)(m), m=m)
put("identity", [], mx.identity(3, mx.int32), n=3, dtype="int32")
put("eye", [], mx.eye(2, 4, 1, mx.float16), n=2, m=4, k=1, dtype="float16")
put("tri", [], mx.tri(3, 3, -1, mx.float32), n=3, m=3, k=-1, dtype="float32")
put("arange", [], mx.arange(1.0, 4.0, 0.5, mx.float32), start=1.0, stop=4.0, step=0.5, dtype="float32")
put("linspace", [], mx.linspace(0, 1, 5), start=0.0, stop=1.0, num=5, dtype="float32")
put("full_like", ["i32", "zero_d"], mx.full((2, 3), IN["zero_d"], mx.float32), dtype="float32")
put("tril", ["square"], mx.tril(IN["square"], 1), k=1)
put("triu", ["squares"], mx.triu(IN["squares"], -1), k=-1)
for name, offset, a1, a2 in [("cube", 0, 0, 1), ("cube", -1, 1, 2), ("i32", 1, 0, 1)]:
    put("diagonal", [name], mx.diagonal(IN[name], offset, a1, a2), offset=offset, axis1=a1, axis2=a2)
put("diag", ["vector"], mx.diag(IN["vector"], 1), k=1)
put("trace", ["i32"], mx.trace(IN["i32"]))
put("trace_axes", ["cube"], mx.trace(IN["cube"], 1, 1, 2, mx.float32), offset=1, axis1=1, axis2=2, dtype="float32")
for name, n, axis in [("cube", 1, -1), ("i32", 1, 0), ("cube", 2, 1)]:
    put("diff", [name], mx.diff(IN[name], n, axis), n=n, axis=axis)
for side, right in (("left", False), ("right", True)):
    put("searchsorted", ["sorted", "row"], mx.searchsorted(*x("sorted", "row"), side=side), right=right)
for sparse, ij in [(False, False), (True, True)]:
    value = mx.meshgrid(*x("vector", "small"), sparse=sparse, indexing="ij" if ij else "xy")
    put("meshgrid", ["vector", "small"], value, sparse=sparse, ij=ij)
put("hadamard_transform", ["eight"], mx.hadamard_transform(IN["eight"]))
put("pad_symmetric", ["f32", "zero_d"], mx.pad(IN["f32"], 1, "constant", IN["zero_d"]), width=1, edge=False)
put("pad_symmetric", ["i32", "zero_d"], mx.pad(IN["i32"], 2, "edge"), width=2, edge=True)

for name, axes in [("cube", [2, 0, 1]), ("four", []), ("i32", [1, 0])]:
    put("transpose", [name], mx.transpose(IN[name], axes or None), axes=axes)
put("reshape", ["cube"], mx.reshape(IN["cube"], [4, -1]), shape=[4, -1])
put("flatten", ["four"], mx.flatten(IN["four"], 1, 2), start=1, end=2)
put("unflatten", ["cube"], mx.unflatten(IN["cube"], 2, [2, -1]), axis=2, shape=[2, -1])
put("squeeze", ["four"], mx.squeeze(IN["four"]), axes=[])
put("squeeze", ["four"], mx.squeeze(IN["four"], 1), axes=[1])
put("expand_dims", ["i32"], mx.expand_dims(IN["i32"], [0, 2]), axes=[0, 2])
put("swapaxes", ["cube"], mx.swapaxes(IN["cube"], 0, -1), a=0, b=-1)
put("moveaxis", ["cube"], mx.moveaxis(IN["cube"], 2, 0), a=2, b=0)
put("broadcast_to", ["column"], mx.broadcast_to(IN["column"], [2, 2, 3]), shape=[2, 2, 3])
put("tile", ["i32"], mx.tile(IN["i32"], [2, 1, 2]), reps=[2, 1, 2])
for axis in (0, 1, None):
    put("repeat", ["i32"], mx.repeat(IN["i32"], 2, axis), repeats=2, axis=axis)
put("roll", ["cube"], mx.roll(IN["cube"], 1, 2), shift=1, axis=2)
put("roll_axes", ["cube"], mx.roll(IN["cube"], [1, -1], [0, 1]), shift=[1, -1], axes=[0, 1])
put("roll_axes", ["i32"], mx.roll(IN["i32"], 2), shift=[2], axes=[])
for axis in (0, 1, None):
    put("concatenate", ["f32", "i32"], mx.concatenate(x("f32", "i32"), axis), axis=axis)
for axis in (0, -1):
    put("stack", ["f32", "i32"], mx.stack(x("f32", "i32"), axis), axis=axis)
put("unstack", ["cube"], mx.unstack(IN["cube"], axis=0), axis=0)
put("unstack", ["cube"], mx.unstack(IN["cube"], axis=1), axis=1)
put("split", ["cube"], mx.split(IN["cube"], 2, -1), parts=2, axis=-1)
put("split_at", ["cube"], mx.split(IN["cube"], [1, 3], 2), at=[1, 3], axis=2)
for name, dtype in [("f32", "int32"), ("i32", "bool"), ("f32", "bfloat16"), ("flag", "float16"), ("u8", "int64"), ("i8", "complex64")]:
    put("astype", [name], IN[name].astype(getattr(mx, "bool_" if dtype == "bool" else dtype)), dtype=dtype)
put("view", ["f32"], mx.view(IN["f32"], mx.uint32), dtype="uint32")

put("take", ["table", "pick"], mx.take(IN["table"], mx.array([2, 0, 3]), axis=0), axis=0)
put("take", ["table", "picks"], mx.take(*x("table", "picks")), axis=None)
put("take_along_axis", ["f32", "along"], mx.take_along_axis(*x("f32", "along"), axis=1), axis=1)
put("put_along_axis", ["f32", "along", "zero_d"], mx.put_along_axis(*x("f32", "along", "zero_d"), axis=1), axis=1)
put("slice", ["cube"], IN["cube"][:, 2:0:-1, 1:4:2], start=[0, 2, 1], stop=[2, 0, 4], strides=[1, -1, 2])
table, patch = IN["table"], IN["patch"]
put("slice_dynamic", ["table", "start"], table[1:3, 1:3], axes=[0, 1], size=[2, 2])
put("slice_update_dynamic", ["table", "patch", "start"], mx.slice_update(table, patch, IN["start"], [0, 1]), axes=[0, 1])
for op, method in [("add", "add"), ("prod", "multiply"), ("max", "maximum"), ("min", "minimum")]:
    value = getattr(table.at[1:3, 0:2], method)(patch)
    put(f"slice_update_{op}", ["table", "patch"], value, start=[1, 0], stop=[3, 2], strides=[1, 1])
rows, updates = mx.array([2, 0, 3]), IN["updates"]
put("gather_single", ["table", "pick"], table[rows][:, None], axis=0, sizes=[1, 3])
for op, method in [("add", "add"), ("prod", "multiply"), ("max", "maximum"), ("min", "minimum")]:
    put(f"scatter_{op}_single", ["table", "pick", "updates"], getattr(table.at[rows], method)(updates[:, 0]), axis=0)
replaced = mx.array(table)
replaced[rows] = updates[:, 0]
put("scatter_single", ["table", "pick", "updates"], replaced, axis=0)
masked = mx.array(IN["f32"])
masked[IN["flag"]] = mx.array([9.0, 8.0, 7.0])
put("masked_scatter", ["f32", "flag", "other"], mx.where(IN["flag"], mx.zeros((2, 3)), IN["f32"]), zero=True)

put("matmul", ["m", "n"], mx.matmul(*x("m", "n")))
put("matmul", ["squares", "vector"], mx.matmul(*x("squares", "vector")))
put("inner", ["square", "vector"], mx.inner(*x("square", "vector")))
put("outer", ["vector", "small"], mx.outer(*x("vector", "small")))
put("kron", ["patch", "vector"], mx.kron(*x("patch", "vector")))
put("addmm", ["vector", "rhs", "patch"], mx.addmm(mx.array(0.0), *x("rhs", "patch"), alpha=2.0, beta=0.0), alpha=2.0)
put("tensordot", ["cube", "cube"], mx.tensordot(*x("cube", "cube"), [[0, 1], [0, 1]]), a=[0, 1], b=[0, 1])
put("tensordot_axis", ["square", "rhs"], mx.tensordot(*x("square", "rhs"), 1), n=1)
put("einsum", ["cube", "table"], mx.einsum("bij,jk->bik", *x("cube", "table")), subscripts="bij,jk->bik")
put("segmented_mm", ["m", "n", "segments"], mx.segmented_mm(*x("m", "n", "segments")))
put("block_masked_mm", ["big_a", "big_b", "block_mask"], mx.block_masked_mm(*x("big_a", "big_b"), 32, None, IN["block_mask"], None))
put("vecdot", ["cube", "cube"], mx.sum(IN["cube"] * IN["cube"], axis=1), axis=1)

put("conv1d", ["line", "kernel1"], mx.conv1d(*x("line", "kernel1"), 2, 1, 1, 1), stride=2, padding=1)
put("conv2d", ["image", "kernel2"], mx.conv2d(*x("image", "kernel2"), (2, 1), (1, 0)), stride=[2, 1], padding=[1, 0])
put("conv3d", ["volume", "kernel3"], mx.conv3d(*x("volume", "kernel3"), 1, (0, 1, 0)), padding=[0, 1, 0])
put("conv_general", ["image", "kernel2"], mx.conv_general(*x("image", "kernel2"), stride=2, padding=1, flip=True))
put("conv_transpose1d", ["line", "kernel1"], mx.conv_transpose1d(*x("line", "kernel1"), 2, 1, 1, 1), stride=2, padding=1, more=1)
put("conv_transpose2d", ["image", "kernel2"], mx.conv_transpose2d(*x("image", "kernel2"), (2, 1)), stride=[2, 1])
put("conv_transpose3d", ["volume", "kernel3"], mx.conv_transpose3d(*x("volume", "kernel3"), 2), stride=[2, 2, 2])

for mode in ("affine", "mxfp4", "mxfp8", "nvfp4"):
    packed = mx.quantize(IN["weights"], mode=mode)
    put("pack", ["weights"], packed, mode=mode)
    put("unpack", ["weights"], mx.dequantize(*packed, mode=mode, dtype=mx.float32), mode=mode)
    put("packed_matmul", ["x64", "weights"], mx.quantized_matmul(IN["x64"], *packed, transpose=True, mode=mode), mode=mode)
    packed = mx.quantize(IN["experts"], mode=mode)
    value = mx.gather_qmm(IN["tokens"], *packed, rhs_indices=IN["expert_of"], transpose=True, mode=mode)
    put("gather_qmm", ["tokens", "experts", "expert_of"], value, mode=mode)

fast = mx.fast
put("rope", ["q"], fast.rope(IN["q"], 8, traditional=True, base=100.0, scale=0.5, offset=2), dims=8)
put("rope_dynamic", ["q", "offset"], fast.rope(IN["q"], 4, traditional=False, base=1000.0, scale=1.0, offset=IN["offset"]), dims=4)

r, key = mx.random, mx.random.key(5)
put("gumbel", [], r.gumbel([2, 3], mx.float32, key=key), shape=[2, 3])
put("laplace", [], r.laplace([4], mx.float32, loc=1.0, scale=2.0, key=key), shape=[4], loc=1.0, scale=2.0)
put("normal", [], r.normal([2, 2], mx.float16, loc=1.0, scale=0.5, key=key), shape=[2, 2])
put("truncated_normal", ["zero_d", "row"], r.truncated_normal(mx.array(-1.0), mx.array(2.0), [5], mx.float32, key=key), shape=[5])
put("normal_broadcast", ["row", "column"], r.normal([2, 3], mx.float32, loc=IN["row"], scale=IN["column"], key=key), shape=[2, 3])
put("categorical_num_samples", ["logits"], r.categorical(IN["logits"], num_samples=3, key=key), n=3)
put("categorical_shape", ["logits"], r.categorical(IN["logits"], shape=[4, 2], key=key), shape=[4, 2])
put("permutation", [], r.permutation(6, key=key), n=6)
put("multivariate_normal", ["mean2", "patch"], r.multivariate_normal(IN["mean2"], mx.eye(2), [3], mx.float32, key=key), shape=[3])

dump_parity_more.add(IN, put)

path = pathlib.Path(__file__).with_name("parity.safetensors")
arrays = {f"in/{k}": v for k, v in IN.items()} | OUT
metadata = {"mlx": mx.__version__, "command": "python dump_parity.py", "cases": json.dumps(CASES)}
mx.save_safetensors(str(path), arrays, metadata)
print(len(CASES), "cases of", len({c["op"] for c in CASES}), "operations,", path.stat().st_size, "bytes")
