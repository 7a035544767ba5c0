"""A tiny Llama whose projections are eight-bit floats with scales: what it computes.

    python examples/models/tests/dump_float8.py examples/models/tests/data

Writes float8.safetensors: for each way to scale (one number, one for each row, one for each block), in both codings,
the tensors as checkpoints have them, and mlx-lm's logits of the values that NumPy makes of them by the formula of
transformers (`Fp8Dequantize`: the weight times its block's scale, in float32; blocks at the edges are cut off, as
DeepSeek's are). mlx 0.32.2, mlx-lm 0.32.2, numpy 2.4.6, ml_dtypes 0.6.0.
"""

import json
import os
import struct
import sys
from pathlib import Path

os.environ["MLX_DISABLE_COMPILE"] = "1"

import ml_dtypes
import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models import llama

mx.set_default_device(mx.cpu)

CONFIG = dict(
    model_type="llama",
    hidden_size=32,
    num_hidden_layers=1,
    intermediate_size=40,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    vocab_size=16,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    max_position_embeddings=64,
    tie_word_embeddings=True,
)
# Neither divides the sizes.
BLOCK = (12, 24)
E4M3, E5M2 = ("F8_E4M3", ml_dtypes.float8_e4m3fn, 448.0), ("F8_E5M2", ml_dtypes.float8_e5m2, 57344.0)
SCHEMES = {
    "plain": (E4M3, None, None),
    "tensor": (E4M3, "weight_scale", lambda w: (w.shape[0], w.shape[1])),
    "inverse": (E5M2, "weight_scale_inv", lambda w: (w.shape[0], w.shape[1])),
    "row": (E4M3, "weight_scale", lambda w: (1, w.shape[1])),
    "block": (E4M3, "weight_scale_inv", lambda w: BLOCK),
}

rng = np.random.default_rng(4)
model = llama.Model(llama.ModelArgs.from_dict(CONFIG))
dense = {
    n: (rng.normal(size=a.shape) / a.shape[-1] ** 0.5 if a.ndim > 1 else rng.uniform(0.6, 1.4, a.shape)).astype(np.float32)
    for n, a in tree_flatten(model.parameters())
}
tokens = rng.integers(0, CONFIG["vocab_size"], (2, 7)).astype(np.int32)
out = {"tokens": ("I32", tokens)} | {f"weight.{n}": ("F32", a) for n, a in dense.items() if "proj" not in n}
for scheme, ((label, dtype, top), name, block_of) in SCHEMES.items():
    whole = dict(dense)
    for n, w in dense.items():
        if "proj" not in n:
            continue
        scale = np.ones((1, 1), np.float32)
        share = w.shape
        if name:
            share = block_of(w)
            grid = [-(-size // b) for size, b in zip(w.shape, share)]
            rows = [slice(i * share[0], (i + 1) * share[0]) for i in range(grid[0])]
            columns = [slice(i * share[1], (i + 1) * share[1]) for i in range(grid[1])]
            scale = np.array([[np.abs(w[r, c]).max() / top for c in columns] for r in rows], np.float32)
        full = scale.repeat(share[0], 0).repeat(share[1], 1)[: w.shape[0], : w.shape[1]]
        codes = (w / full).astype(dtype)
        whole[n] = codes.astype(np.float32) * full
        out[f"{scheme}.{n}"] = (label, codes.view(np.uint8))
        if name:
            # A single number is written as transformers and as compressed-tensors do.
            scale = scale.reshape({"inverse": (), "tensor": (1,)}.get(scheme, scale.shape))
            out[f"{scheme}.{n.removesuffix('weight')}{name}"] = ("F32", scale)
    model.load_weights([(n, mx.array(a)) for n, a in whole.items()])
    out[f"{scheme}.logits"] = ("F32", np.array(model(mx.array(tokens))))

header = {"__metadata__": {"config": "", "cases": json.dumps(CONFIG)}}
data = b""
for name, (label, a) in out.items():
    header[name] = {"dtype": label, "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
    data += np.ascontiguousarray(a).tobytes()
text = json.dumps(header).encode()
path = Path(sys.argv[1]) / "float8.safetensors"
path.write_bytes(struct.pack("<Q", len(text)) + text + data)
print(path.stat().st_size, "bytes")
