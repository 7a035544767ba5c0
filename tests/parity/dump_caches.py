"""Attention through the caches of mlx-lm: the last positions, some of the first kept, and packed keys and values.

    python tests/parity/dump_caches.py tests/parity/data/caches.safetensors

Writes random queries, keys and values [2, 2, 9, 32] and, for each cache, the attention of the parts of 3 positions and
of 1 each after that. mlx 0.32.2, mlx-lm 0.32.2; seconds.
"""

import sys

import mlx.core as mx
from mlx_lm.models.base import scaled_dot_product_attention
from mlx_lm.models.cache import QuantizedKVCache, RotatingKVCache

mx.set_default_device(mx.cpu)
mx.random.seed(5)
q, k, v = (mx.random.normal((2, 2, 9, 32)) for _ in range(3))
caches = {
    "last": RotatingKVCache(max_size=4, keep=0),
    "first": RotatingKVCache(max_size=5, keep=2),
    "packed": QuantizedKVCache(group_size=32, bits=4),
}
out = {"q": q, "k": k, "v": v}
for name, cache in caches.items():
    parts, at = [], 0
    for stop in [3, 4, 5, 6, 7, 8, 9]:
        part = lambda a: a[:, :, at:stop]
        keys, values = cache.update_and_fetch(part(k), part(v))
        mask = "causal" if stop == 3 else None
        parts.append(scaled_dot_product_attention(part(q), keys, values, cache=cache, scale=32**-0.5, mask=mask))
        at = stop
    out[name] = mx.concatenate(parts, axis=2)
mx.save_safetensors(sys.argv[1], {n: mx.contiguous(a) for n, a in out.items()})
