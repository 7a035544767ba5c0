"""Writes display.safetensors: how MLX's Python prints arrays, for ../display.rs.

    pip install mlx==0.32.2 numpy && python dump_display.py

The arrays are called by number. The metadata hold what `repr` makes of each as a JSON list.
"""

import json
import pathlib

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)

INF, NAN = float("inf"), float("nan")
FLOATS = [0.0, -0.0, 1.0, -2.5, 0.1, 1 / 3, 1e-7, -6.1e-5, 12345.678, 65504.0, INF, -INF, NAN]
WIDE = [1e-45, 1.1754944e-38, 3.4028235e38, -1e30, 123456789.0, 999999.5, 1e6, 1e-4, 0.00001234]
arrays = []
for dtype in (mx.float32, mx.float16, mx.bfloat16):
    arrays += [mx.array([v], dtype) for v in FLOATS]
    arrays.append(mx.array(FLOATS[:6], dtype))
for dtype in (mx.float32, mx.bfloat16):
    arrays += [mx.array([v], dtype) for v in WIDE]
for re in (0.0, 1.5, -2.0, INF, NAN):
    for im in (0.0, -0.0, 0.25, -1e-6, -INF, NAN):
        arrays.append(mx.array([complex(re, im)], mx.complex64))
for name in "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split():
    limits, dtype = np.iinfo(name), getattr(mx, name)
    arrays += [mx.array(np.array([limits.min, limits.max], name)), mx.array(3, dtype), mx.zeros((2, 1), dtype)]
arrays += [mx.array(True), mx.array([True, False]), mx.array([[False], [True]]), mx.arange(9) > 4]
# Ranks, and the lengths around which the middle is left out.
for shape in [(), (1,), (6,), (7,), (8,), (1, 1), (2, 3), (6, 6), (7, 2), (2, 7), (9, 8), (1, 2, 3), (2, 7, 2),
              (8, 1, 7), (1, 2, 1, 2), (2, 1, 7, 2), (1, 1, 1, 1, 2), (40, 1, 1)]:
    n = 1
    for d in shape:
        n *= d
    for dtype in (mx.int32, mx.float32, mx.bfloat16):
        arrays.append(mx.reshape(mx.arange(n), shape).astype(dtype) / (1 if dtype == mx.int32 else 8))
# Without elements.
for shape in [(0,), (0, 3), (2, 0), (2, 0, 3), (7, 0), (1, 0, 0, 1)]:
    arrays += [mx.zeros(shape), mx.zeros(shape, mx.bool_)]

path = pathlib.Path(__file__).with_name("display.safetensors")
texts = [repr(a) for a in arrays]
assert texts == [str(a) for a in arrays]
# Not written, but made by the test of the arrays before them.
square = mx.reshape(mx.arange(12), (3, 4))
views = [repr(mx.transpose(square)), repr(square[::-1, 1::2]), repr(mx.broadcast_to(mx.array([1, 2]), (2, 2)))]
metadata = {"mlx": mx.__version__, "command": "python dump_display.py", "texts": json.dumps(texts), "views": json.dumps(views)}
mx.save_safetensors(str(path), {str(i): mx.contiguous(a) for i, a in enumerate(arrays)}, metadata)
print(len(arrays), "arrays,", path.stat().st_size, "bytes")
