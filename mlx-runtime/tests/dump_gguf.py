"""Writes data/k_quants.gguf, random blocks of Q2_K, Q4_K and Q6_K, and data/k_quants.safetensors, their values.

The oracle is the package `gguf` 0.19 of llama.cpp. Run with numpy and safetensors: python dump_gguf.py
"""

from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize
from safetensors.numpy import save_file

DATA = Path(__file__).parent / "data"
random = np.random.default_rng(7)
writer = gguf.GGUFWriter(DATA / "k_quants.gguf", "none")
values = {}
# A type, the bytes of a block, and where its float16 scales are.
for kind, size, halves in [
    (gguf.GGMLQuantizationType.Q2_K, 84, [80, 82]),
    (gguf.GGMLQuantizationType.Q4_K, 144, [0, 2]),
    (gguf.GGMLQuantizationType.Q6_K, 210, [208]),
]:
    blocks = random.integers(0, 256, (2, size), dtype=np.uint8)
    for at in halves:
        scale = random.uniform(0.01, 0.1, 2).astype("<f2")
        blocks[:, at : at + 2] = scale.view(np.uint8).reshape(2, 2)
    writer.add_tensor(kind.name, blocks, raw_dtype=kind)
    values[kind.name] = dequantize(blocks, kind).astype(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(values, DATA / "k_quants.safetensors")
