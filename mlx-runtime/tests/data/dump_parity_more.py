"""More cases for dump_parity.py, which calls `add`."""

import mlx.core as mx


def add(IN, put):
    def x(*names):
        return [IN[n] for n in names]

    # Elementwise, and what tells arrays apart.
    for name in ("f32", "bf16", "zero_d"):
        put("arccosh", [name], mx.arccosh(IN[name] + 1), plus=1)
        put("trunc", [name], mx.trunc(IN[name] * 3), times=3)
        put("round", [name], mx.round(IN[name], 1), decimals=1)
    put("round", ["i32"], mx.round(IN["i32"], -1), decimals=-1)
    for a, b in [("flag", "flag"), ("i32", "u8"), ("f32", "zero_d")]:
        put("logical_xor", [a, b], mx.logical_xor(*x(a, b)))
    for a, b, c in [("flag", "f32", "row"), ("flag", "i32", "zero_d"), ("i32", "f16", "u8")]:
        put("where", [a, b, c], mx.where(*x(a, b, c)))
    put("clip", ["cube", "zero_d"], mx.clip(IN["cube"], None, IN["zero_d"]), low=False)
    put("clip", ["i32", "u8"], mx.clip(IN["i32"], IN["u8"], None), low=True)
    odd = mx.array([float("nan"), float("inf"), -float("inf"), 1.0])
    IN["odd"], IN["half_odd"] = odd, odd.astype(mx.float16)
    put("nan_to_num", ["odd"], mx.nan_to_num(odd, 2.0, 3.0, -4.0), nan=2.0, high=3.0, low=-4.0)
    put("nan_to_num", ["half_odd"], mx.nan_to_num(IN["half_odd"], 0.0), nan=0.0)
    for a, b in [("odd", "odd"), ("row", "row"), ("f32", "row")]:
        for nan in (False, True):
            put("isclose", [a, b], mx.isclose(*x(a, b), 1e-2, 1e-3, equal_nan=nan), nan=nan)
            put("allclose", [a, b], mx.allclose(*x(a, b), 1e-2, 1e-3, equal_nan=nan), nan=nan)
            put("array_equal", [a, b], mx.array_equal(*x(a, b), equal_nan=nan), nan=nan)

    # Reductions and orders.
    for name, axes, keep in [("i32", [], False), ("flag", [1], True), ("cube", [0, 2], False)]:
        value = mx.count_nonzero(IN[name], axis=axes or None, keepdims=keep)
        put("count_nonzero", [name], value, axes=axes, keepdims=keep)
    for name, axes, inverted in [("cube", [0, 2], False), ("cube", [1], True)]:
        n = 1
        for a in axes:
            n *= IN[name].shape[a]
        put("number_of_elements", [name], mx.array(1 / n if inverted else n, mx.float32), axes=axes, inverted=inverted)
    for name, axis in [("cube", 2), ("u32", 0)]:
        # The order beside the place is not said.
        k = 1
        at = mx.argpartition(IN[name], k, axis)
        put("argpartition", [name], mx.sort(mx.take_along_axis(IN[name], at, axis).flatten()), k=k, axis=axis)

    # Shapes.
    for name, axes in [("cube", []), ("cube", [1]), ("i32", [0, -1])]:
        put("flip", [name], mx.flip(IN[name], axes or None), axes=axes)
    put("pad", ["cube", "zero_d"], mx.pad(IN["cube"], [(0, 1), (2, 0), (1, 1)], constant_values=IN["zero_d"]), low=[0, 2, 1], high=[1, 0, 1])
    put("pad", ["i8", "u8"], mx.pad(IN["i8"], [(1, 0), (0, 2)], constant_values=mx.array(0)), low=[1, 0], high=[0, 2], zero=True)
    put("broadcast_arrays", ["row", "column", "zero_d"], mx.broadcast_arrays(*x("row", "column", "zero_d")))
    put("as_strided", ["cube"], mx.as_strided(IN["cube"], [3, 2], [4, 1], 5), shape=[3, 2], strides=[4, 1], offset=5)
    put("contiguous", ["cube"], mx.contiguous(mx.transpose(IN["cube"])))
    for name in ("f32", "flag"):
        put("copy", [name], mx.array(IN[name]))
    for op in ("zeros", "ones"):
        for dtype in ("float16", "int64", "complex64"):
            put(op, [], getattr(mx, op)([2, 0, 3] if dtype == "int64" else [2, 3], getattr(mx, dtype)), shape=[2, 0, 3] if dtype == "int64" else [2, 3], dtype=dtype)
        put(f"{op}_like_dtype", ["i32"], getattr(mx, op)([2, 3], mx.bfloat16), dtype="bfloat16")
    put("full", ["row"], mx.full([2, 3], IN["row"].astype(mx.float16)), shape=[2, 3], dtype="float16")
    put("linspace_endpoint", [], mx.linspace(0, 1, 5, endpoint=False), start=0.0, stop=1.0, num=5)

    # Parts.
    table, patch = IN["table"], IN["patch"]
    replaced = mx.array(table)
    replaced[1:4:2, 0:2] = patch
    put("slice_update", ["table", "patch"], replaced, start=[1, 0], stop=[4, 2], strides=[2, 1])
    sums = mx.array(table)
    along = mx.array([[2, 0, 2], [1, 1, 0]], mx.int32)
    IN["twice"] = along
    rows = mx.arange(3)
    for i in range(2):
        sums = sums.at[along[i], rows].add(IN["f32"][i])
    put("scatter_add_axis", ["table", "twice", "f32"], sums, axis=0)
    # One index for each axis.
    IN["first"], IN["second"] = mx.array([3, 0, 1], mx.int32), mx.array([1, 1, 2], mx.int32)
    picked = table[IN["first"], IN["second"]]
    put("gather", ["table", "first", "second"], picked.reshape(3, 1, 1), sizes=[1, 1])
    for op, method in [("add", "add"), ("prod", "multiply"), ("max", "maximum"), ("min", "minimum")]:
        value = getattr(table.at[IN["first"], IN["second"]], method)(IN["vector"])
        put(f"scatter_{op}", ["table", "first", "second", "vector"], value)
    replaced = mx.array(table)
    replaced[IN["first"], IN["second"]] = IN["vector"]
    put("scatter", ["table", "first", "second", "vector"], replaced)

    # Products.
    IN["swapped"] = mx.array([1, 0], mx.uint32)
    put("gather_mm", ["squares", "squares", "swapped"], mx.gather_mm(IN["squares"], IN["squares"], rhs_indices=IN["swapped"]))
    for bits, group in [(2, 32), (3, 64), (4, 64), (5, 32), (6, 64), (8, 32)]:
        packed = mx.quantize(IN["weights"], group, bits)
        args = {"bits": bits, "group": group}
        put("quantize", ["weights"], packed, **args)
        put("dequantize", ["weights"], mx.dequantize(*packed, group, bits), **args)
        put("quantized_matmul", ["x64", "weights"], mx.quantized_matmul(IN["x64"], *packed, True, group, bits), **args)
    put("quantized_matmul_plain", ["big_a", "weights"], mx.quantized_matmul(IN["big_a"][:, :4], *mx.quantize(IN["weights"]), False))

    # Fourier transforms with the other norms.
    for norm in ("ortho", "forward"):
        put("fft", ["complex"], mx.fft.fft(IN["complex"], 3, -1, norm=norm), n=3, axis=-1, norm=norm)
        put("ifft", ["complex"], mx.fft.ifft(IN["complex"], 2, 0, norm=norm), n=2, axis=0, norm=norm)
        put("rfft", ["cube"], mx.fft.rfft(IN["cube"], 4, 2, norm=norm), n=4, axis=2, norm=norm)
        put("irfft2", ["complex"], mx.fft.irfft2(IN["complex"], [2, 4], [0, 1], norm=norm), n=[2, 4], axes=[0, 1], norm=norm)
        put("fftn", ["cube"], mx.fft.fftn(IN["cube"], [2, 3, 4], [0, 1, 2], norm=norm), n=[2, 3, 4], axes=[0, 1, 2], norm=norm)

    # Decompositions: signs and phases are not said.
    put("svd", ["tall"], [mx.abs(v) for v in mx.linalg.svd(IN["tall"])])
    put("eig_values", ["psd"], mx.sort(mx.linalg.eig(IN["psd"])[0].real))
    put("eigvals", ["psd"], mx.sort(mx.linalg.eigvals(IN["psd"]).real))
    put("kron", ["squares", "i32"], mx.kron(*x("squares", "i32")))

    fast = mx.fast
    wide, rows8 = IN["q"], IN["eight"]
    IN["weight8"], IN["bias8"] = mx.abs(rows8[0]) + 0.5, rows8[1]
    IN["half_q"] = wide.astype(mx.float16)
    for name in ("q", "half_q"):
        put("rms_norm", [name], fast.rms_norm(IN[name], None, 1e-5))
        put("layer_norm", [name], fast.layer_norm(IN[name], None, None, 1e-5))
    put("rms_norm", ["q", "weight8"], fast.rms_norm(wide, IN["weight8"], 1e-3), eps=1e-3)
    put("layer_norm", ["q", "weight8", "bias8"], fast.layer_norm(wide, IN["weight8"], IN["bias8"], 1e-5))
    mask = mx.array([[True, False, True], [True, True, False], [False, True, True]])
    IN["mask"], IN["sinks"] = mask, mx.array([0.25, -0.5])
    scale = 8**-0.5
    attend = fast.scaled_dot_product_attention
    put("attention", ["q", "q", "q"], attend(wide, wide, wide, scale=scale), mask="none")
    put("attention", ["q", "q", "q"], attend(wide, wide, wide, scale=scale, mask="causal"), mask="causal")
    put("attention", ["q", "q", "q", "mask"], attend(wide, wide, wide, scale=scale, mask=mask), mask="array")
    put("attention", ["q", "q", "q", "sinks"], attend(wide, wide, wide, scale=scale, sinks=IN["sinks"]), mask="sinks")
    IN["targets"] = mx.array([4, 0], mx.int32)
    put("cross_entropy", ["logits", "targets"], fast.cross_entropy(*x("logits", "targets")))

    r, key = mx.random, mx.random.key(5)
    low, high = mx.array(-1.0), mx.array([1.0, 2.0, 3.0])
    for dtype in ("float32", "float16", "bfloat16"):
        put("uniform", ["row"], r.uniform(low, IN["row"], [2, 3], getattr(mx, dtype), key=key), dtype=dtype)
        put("normal_dtype", [], r.normal([3], getattr(mx, dtype), key=key), dtype=dtype)
    for dtype in ("int32", "uint8", "int64"):
        put("randint", ["u8"], r.randint(0, IN["u8"], [2, 3], getattr(mx, dtype), key=key), dtype=dtype)
    put("bernoulli", ["f32"], r.bernoulli(IN["f32"], [4, 2, 3], key=key), shape=[4, 2, 3])
    for axis in (0, -1):
        put("categorical", ["logits"], r.categorical(IN["logits"], axis, key=key), axis=axis)
    put("shuffle", ["table"], r.permutation(IN["table"], 0, key=key), axis=0)
    put("key", [], key)
    put("split_key", [], r.split(key, 3), num=3)

    # Transforms of functions.
    def f(a, b):
        return [mx.sin(a) * b, mx.sum(mx.exp(a * 0.5) + b * b)]

    a, b = x("f32", "row")
    tangents = [mx.ones_like(a), b * 2]
    put("jvp", ["f32", "row"], sum(mx.jvp(f, [a, b], tangents), []))
    cotangents = [a, mx.array(2.0)]
    put("vjp", ["f32", "row"], sum(mx.vjp(f, [a, b], cotangents), []))
    put("grad", ["f32", "row"], mx.grad(lambda a, b: f(a, b)[1], argnums=[0, 1])(a, b))
    value, grads = mx.value_and_grad(lambda a, b: f(a, b)[1], argnums=1)(a, b)
    put("value_and_grad", ["f32", "row"], [value, grads])
    put("second_derivative", ["row"], mx.grad(lambda t: mx.sum(mx.grad(lambda s: mx.sum(mx.tanh(s)))(t)))(b))
    put("vmap", ["squares", "vector"], mx.vmap(lambda m, v: mx.matmul(m, v) + mx.sum(m), in_axes=(0, None))(*x("squares", "vector")))
    put("vmap_out", ["cube"], mx.vmap(lambda m: mx.cumsum(m, axis=0), in_axes=2, out_axes=1)(IN["cube"]))
    put("checkpoint", ["row"], mx.grad(mx.checkpoint(lambda t: mx.sum(mx.exp(mx.sin(t)))))(b))
    put("compile", ["f32", "row"], mx.compile(f)(a, b))

    # Python's expressions.
    put("softmax_axis", ["half_q"], mx.softmax(IN["half_q"], axis=-1))
    put("logaddexp_bf16", ["bf16", "bf16"], mx.logaddexp(IN["bf16"], IN["bf16"]))
    for name in ("i64", "u32", "flag"):
        put("sum_default", [name], mx.sum(IN[name]))
        put("mean_default", [name], mx.mean(IN[name]))
