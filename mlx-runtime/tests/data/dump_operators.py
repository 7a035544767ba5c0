"""Writes operators.safetensors: operators with numbers and Python's indices, for ../operators.rs.

    pip install mlx==0.32.2 numpy && python dump_operators.py

Inputs are in/<dtype>, the results of an operator are called <dtype><left><op><right>, where the array is x; those of
indices i/<the index as Python has it>, updates u/<index>. Where MLX raises an error, the name is in the metadata.
"""

import json
import pathlib

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)

DTYPES = "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 bfloat16 float32 complex64".split()
NUMBERS = ["True", "3", "-2", "300", "2.5", "1j"]
OPS = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]
out, errors = {}, []


def put(name, f):
    try:
        out[name] = mx.contiguous(f())
    except (ValueError, IndexError):
        errors.append(name)


for dtype in DTYPES:
    x = mx.array([0, 1, 5, 7]).astype(getattr(mx, dtype + "_" if dtype == "bool" else dtype))
    out[f"in/{dtype}"] = x
    for op in OPS:
        for n in NUMBERS:
            # Not defined: shifts by a negative number, and whole numbers by zero.
            if op in ("<<", ">>") and n not in ("True", "3"):
                continue
            put(f"{dtype} x {op} {n}", lambda: eval(f"x {op} {n}"))
            # The other operators have none for a number on the left, or a zero on the right.
            if op in "+-*/":
                put(f"{dtype} {n} {op} x", lambda: eval(f"{n} {op} x"))
    put(f"{dtype} -x", lambda: -x)
    put(f"{dtype} ~x", lambda: ~x)

a = mx.array(np.arange(60, dtype=np.int32).reshape(3, 4, 5))
out["a"] = a
INDICES = [
    "1", "-1", "0, 2", "-3, -4, -5", "1:", ":2", "::2", "::-1", "1::2", "-2:", ":-1", "5:", ":-9", "2:1", "-9:9",
    "2::-1", ":0:-1", "-1:-3:-1", "9:0:-2", "0:2:-1", "None", "...", "..., None", "None, 1:, None, ::2",
    "..., 1", "..., ::2", "1, ..., -1", "1, ..., 1:3, None", ":, None, :, 2", "0, :, None, 1:4:2", "1:, ::2, None, ...",
]
for text in INDICES:
    index = eval(f"np.s_[{text}]")
    put(f"i/{text}", lambda: a[index])
    updated = mx.array(a)
    updated[index] = 7
    out[f"u/{text}"] = updated
rows = mx.array([2, 0], mx.int32)
for text in ["rows", ":, rows", "1:, rows, ::2", "..., rows", "None, rows"]:
    put(f"i/{text}", lambda: eval(f"a[{text}]"))
updated = mx.array(a)
updated[1:, ::2, None] = mx.arange(5)
out["u/array"] = updated

path = pathlib.Path(__file__).with_name("operators.safetensors")
metadata = {"mlx": mx.__version__, "command": "python dump_operators.py", "errors": json.dumps(errors)}
mx.save_safetensors(str(path), {n: mx.contiguous(v) for n, v in out.items()}, metadata)
print(len(out), "results,", len(errors), "errors,", path.stat().st_size, "bytes")
