"""Writes the binary seeds. Run with MLX 0.32.2 and NumPy: python fuzz/seeds/make.py"""

import pathlib

import mlx.core as mx
import numpy as np

here = pathlib.Path(__file__).parent
x = {"a": mx.arange(6).reshape(2, 3), "layer.0.b": mx.ones((4,), mx.bfloat16)}
mx.save_safetensors(str(here / "safetensors/two.safetensors"), x, {"format": "mlx"})
mx.save_safetensors(str(here / "safetensors/empty.safetensors"), {"e": mx.zeros((0, 3))})
mx.save_gguf(str(here / "gguf/two.gguf"), {"a": mx.ones((2, 32)), "b": mx.arange(4)},
             {"general.architecture": "llama", "n": mx.array(3), "texts": ["a", "b"]})
np.save(here / "npy/matrix.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
np.save(here / "npy/column.npy", np.asfortranarray(np.ones((2, 2), np.int64)))
np.save(here / "npy/flag.npy", np.array(True))
