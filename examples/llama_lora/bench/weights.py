"""The weights, adapter and batch of `synth:CONFIG`, drawn by MLX's Python package into mlx-lm's model of that type.

The rule is the one at the head of `src/synth/draw.rs`; `tests/synth.rs` holds the two to each other.

    python weights.py CONFIG --out FILE.safetensors [--seed 0] [--dtype bfloat16]     # for that test
"""
import argparse

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import _get_classes

from step import read_config

BLOCK = 1 << 25


def seed_of(seed, name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 % 2**64
    return (h + seed) % 2**64


def normal(name, shape, dtype, seed):
    start = seed_of(seed, name)

    def draw(shape, i):
        key = mx.random.key((start + i) % 2**64)
        return mx.random.normal(shape, dtype=dtype, loc=0.0, scale=0.02, key=key)

    rows, values = shape[0], 1
    for n in shape:
        values *= n
    if values <= BLOCK:
        return draw(shape, 0)
    most = max(BLOCK // (values // rows), 1)
    starts = range(0, rows, most)
    return mx.concatenate([draw([min(most, rows - at), *shape[1:]], i) for i, at in enumerate(starts)])


def adapter(name, shape, seed):
    if not name.endswith(".lora_a"):
        return mx.zeros(shape)
    limit = shape[0] ** -0.5
    key = mx.random.key(seed_of(seed, name))
    return mx.random.uniform(-limit, limit, shape, mx.float32, key)


def batch(rows, tokens, vocabulary, seed):
    """`[rows, tokens + 1]`: mlx-lm's step shifts it by one itself."""
    return mx.random.randint(0, vocabulary, [rows, tokens + 1], key=mx.random.key(seed_of(seed, "batch.0")))


def stored(name, shape, dtype, seed, less_one):
    """A tensor of mlx-lm's model: biases are zeros, norms ones (stored less one or not), and a checkpoint stores experts
    one by one."""
    if len(shape) < 2:
        return (mx.zeros if less_one or name.endswith(".bias") else mx.ones)(shape, dtype)
    path, _, part = name.partition(".switch_mlp.")
    if not part:
        return normal(name, shape, dtype, seed)
    if path.endswith("block_sparse_moe"):
        part = part.replace("gate_proj", "w1").replace("down_proj", "w2").replace("up_proj", "w3")
    return mx.stack([normal(f"{path}.experts.{e}.{part}", shape[1:], dtype, seed) for e in range(shape[0])])


def build(config, dtype, bits=16, group_size=64, seed=0):
    """mlx-lm's model with these weights, each tensor drawn (and packed) on its own."""
    kind, arguments = _get_classes(config)
    model = kind(arguments.from_dict(config))
    less_one = config["model_type"].startswith("gemma")
    names = tree_flatten(model.parameters())
    if config.get("tie_word_embeddings"):
        names = [(n, v) for n, v in names if n != "lm_head.weight"]
    weights = {n: stored(n, v.shape, dtype, seed, less_one) for n, v in names}
    sanitize = getattr(model, "sanitize", dict)
    model.load_weights(list(sanitize(weights).items()))
    del weights
    if bits != 16:
        nn.quantize(model, group_size=group_size, bits=bits)
    for _, value in tree_flatten(model.parameters()):
        mx.eval(value)
    mx.clear_cache()
    return model


def adapt(model, rank=8, scale=20.0, seed=0):
    """mlx-lm's adapters on the attention of all layers, with the first values of the rule."""
    model.freeze()
    inside = {n for n, m in model.layers[0].named_modules() if isinstance(m, (nn.Linear, nn.QuantizedLinear))}
    keys = sorted(n for n in inside if n.startswith("self_attn."))
    parameters = {"rank": rank, "scale": scale, "dropout": 0.0, "keys": keys}
    linear_to_lora_layers(model, len(model.layers), parameters)
    first = [(n, adapter(n, v.shape, seed)) for n, v in tree_flatten(model.trainable_parameters())]
    model.load_weights(first, strict=False)
    mx.eval(model.parameters())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("config")
    p.add_argument("--out", required=True)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--dtype", default="bfloat16")
    a = p.parse_args()
    model = build(read_config(a.config), getattr(mx, a.dtype), seed=a.seed)
    mx.save_safetensors(a.out, dict(tree_flatten(model.parameters())))


if __name__ == "__main__":
    main()
