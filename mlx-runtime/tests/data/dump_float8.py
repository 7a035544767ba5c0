"""Dumps every code of the eight-bit floats of the safetensors format, and its value by ml_dtypes.

Versions: numpy 2.4.6, ml_dtypes 0.6.0.
Run as: python dump_float8.py, in this folder.
"""

import json
import struct

import ml_dtypes
import numpy as np

codes = np.arange(256, dtype=np.uint8)
tensors = {}
for name, dtype in [
    ("E4M3", ml_dtypes.float8_e4m3fn),
    ("E5M2", ml_dtypes.float8_e5m2),
    ("E8M0", ml_dtypes.float8_e8m0fnu),
]:
    tensors[name] = (f"F8_{name}", codes)
    tensors[name + ".values"] = ("F32", codes.view(dtype).astype(np.float32))

header, data = {"__metadata__": {"versions": f"ml_dtypes {ml_dtypes.__version__}"}}, b""
for name, (dtype, a) in tensors.items():
    header[name] = {
        "dtype": dtype,
        "shape": list(a.shape),
        "data_offsets": [len(data), len(data) + a.nbytes],
    }
    data += a.tobytes()
text = json.dumps(header).encode()
with open("float8.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
