"""Dumps greedy text of mlx-lm with a key-value cache of limited size, for tests/generating.rs. mlx 0.32.2, mlx-lm 0.32.2.

    python examples/llama_lora/tests/generating/dump.py

The model is tests/fuse/lora/model in float32; each byte of the prompt is a token.
"""

import json
from pathlib import Path

import mlx.core as mx
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import KVCache, RotatingKVCache
from mlx_lm.models.llama import Model, ModelArgs

HERE = Path(__file__).parent
FOLDER = HERE.parent / "fuse/lora/model"
model = Model(ModelArgs.from_dict(json.loads((FOLDER / "config.json").read_text())))
weights = {n: w.astype(mx.float32) for n, w in mx.load(str(FOLDER / "model.safetensors")).items()}
# Larger weights, so that the text depends on what attention sees.
model.load_weights([(n, w * (12 if "self_attn" in n else 1)) for n, w in weights.items()])
PROMPT = list(range(60, 90))
cases = []
for size, step in [(None, 2048), (12, 2048), (12, 7), (40, 10)]:
    # `max_kv_size` makes this cache for models that make none of their own.
    cache = [KVCache() if size is None else RotatingKVCache(max_size=size, keep=4) for _ in model.layers]
    steps = generate_step(mx.array(PROMPT), model, max_tokens=24, prompt_cache=cache, prefill_step_size=step)
    cases.append({"size": size, "step": step, "tokens": [int(t) for t, _ in steps]})
    print(cases[-1])
(HERE / "dump.json").write_text(json.dumps({"prompt": PROMPT, "cases": cases}) + "\n")
