"""Builds the graphs of this benchmark with MLX's Python; prints microseconds of the fastest round.

Called by the benchmark where MLX_PYTHON names an interpreter that has mlx.
"""

import gc
import json
import math
import time

import mlx.core as mx


def elementwise(i):
    a, b = i["w"][0], i["w"][1]
    h = a
    for _ in range(250):
        h = mx.add(h, a)
        h = mx.multiply(h, b)
        h = mx.subtract(h, a)
        h = mx.maximum(h, b)
    return h


def shapes(i):
    w = i["w"][0]
    h = w
    for _ in range(167):
        y = mx.matmul(h, w)
        y = mx.reshape(y, (2, 8, 16))
        y = mx.transpose(y, (1, 0, 2))
        y = mx.reshape(y, (16, 16))
        h = mx.add(y, mx.sum(y, 0, True))
    return h


def mlp(i):
    h, w, gain = i["x"], i["w"][0], i["gain"]
    for _ in range(250):
        h = mx.fast.rms_norm(h, gain, 1e-5)
        h = mx.matmul(h, w)
        h = mx.add(h, gain)
        h = mx.tanh(h)
    return h


def heads(x, w):
    return mx.transpose(mx.reshape(mx.matmul(x, w), (1, 8, 2, 8)), (0, 2, 1, 3))


def block(x, w, gain):
    n = mx.fast.rms_norm(x, gain, 1e-5)
    q, k, v = heads(n, w[0]), heads(n, w[1]), heads(n, w[2])
    q = mx.fast.rope(q, 8, traditional=False, base=1e4, scale=1.0, offset=0)
    k = mx.fast.rope(k, 8, traditional=False, base=1e4, scale=1.0, offset=0)
    y = mx.fast.scaled_dot_product_attention(
        q, k, v, scale=1.0 / math.sqrt(8)
    )
    y = mx.reshape(mx.transpose(y, (0, 2, 1, 3)), (1, 8, 16))
    x = mx.add(x, mx.matmul(y, w[3]))
    n = mx.fast.rms_norm(x, gain, 1e-5)
    g, u = mx.matmul(n, w[4]), mx.matmul(n, w[5])
    return mx.add(x, mx.matmul(mx.multiply(mx.tanh(g), u), w[6]))


def transformer(i):
    h = i["x"]
    for _ in range(42):
        h = block(h, i["w"], i["gain"])
    return h


def main():
    inputs = {
        "x": mx.ones((1, 8, 16)),
        "w": [mx.ones((16, 16)) for _ in range(8)],
        "gain": mx.ones((16,)),
    }
    mx.eval(inputs)
    gc.disable()
    out = {}
    for f in (elementwise, shapes, mlp, transformer):
        fastest = math.inf
        for _ in range(1000):
            start = time.perf_counter_ns()
            h = f(inputs)
            del h
            fastest = min(fastest, time.perf_counter_ns() - start)
        out[f.__name__] = fastest / 1000
    print(json.dumps(out))


main()
