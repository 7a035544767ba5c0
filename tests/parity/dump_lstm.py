"""`mlx.nn.LSTM` on random numbers: every hidden value, and gradients.

    python tests/parity/dump_lstm.py tests/parity/data/lstm.safetensors

The gradient is that of sum(hidden * cos(0, 1, 2, ..)), for the input and the weights. mlx 0.32.2.
"""

import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np

mx.set_default_device(mx.cpu)
rng = np.random.default_rng(5)


def f(*shape):
    return mx.array(rng.normal(size=shape).astype(np.float32))


lstm = nn.LSTM(6, 6)
lstm.update({"Wx": f(24, 6), "Wh": f(24, 6), "bias": f(24)})
x, start = f(2, 7, 6), f(2, 6)


def run(x, wx, wh, bias):
    lstm.update({"Wx": wx, "Wh": wh, "bias": bias})
    return lstm(x, hidden=start, cell=mx.zeros_like(start))


inputs = [x, lstm.Wx, lstm.Wh, lstm.bias]
hidden, cell = run(*inputs)
c = mx.cos(mx.arange(hidden.size).astype(mx.float32)).reshape(hidden.shape)
grads = mx.grad(lambda *a: mx.sum(run(*a)[0] * c), [0, 1, 2, 3])(*inputs)
out = dict(zip(["x", "wx.weight", "wh.weight", "wh.bias"], inputs)) | {"start": start, "hidden": hidden, "cell": cell}
out |= {f"d.{k}": g for k, g in zip(["x", "wx.weight", "wh.weight", "wh.bias"], grads)}
mx.save_safetensors(sys.argv[1], out, {"mlx": mx.__version__})
