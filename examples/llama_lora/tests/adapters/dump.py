"""Dumps losses of training with adapters of mlx-lm, for tests/adapters.rs. mlx 0.32.2, mlx-lm 0.32.2.

    python examples/llama_lora/tests/adapters/dump.py

The model is tests/fuse/lora/model in float32; ten steps of Adam on one batch. Adapters begin at values that both sides compute.
"""

import json
import math
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.llama import Model, ModelArgs
from mlx_lm.tuner.trainer import default_loss
from mlx_lm.tuner.utils import linear_to_lora_layers

HERE = Path(__file__).parent
FOLDER = HERE.parent / "fuse/lora/model"
TOKENS = [[(7 * i + 31 * j) % 250 for i in range(13)] for j in range(2)]
BATCH, LENGTHS = mx.array(TOKENS), mx.array([[0, 12], [0, 12]])
ATTENTION = ["self_attn.q_proj", "self_attn.v_proj"]
TABLE, HEAD = "model.embed_tokens", "lm_head"
CASES = {
    "lora": dict(keys=ATTENTION),
    "lora all": dict(keys=ATTENTION + ["mlp.down_proj", TABLE, HEAD]),
    "lora tied": dict(keys=ATTENTION + [TABLE], tied=True),
    "dora": dict(keys=ATTENTION, dora=True),
    "dora all": dict(keys=ATTENTION + ["mlp.down_proj", TABLE, HEAD], dora=True),
    "dora tied": dict(keys=ATTENTION + [TABLE], tied=True, dora=True),
    "dropout": dict(keys=ATTENTION + ["mlp.down_proj"], dropout=0.25),
    "dropout dora": dict(keys=ATTENTION, dropout=0.25, dora=True),
    "lora plus": dict(keys=ATTENTION, ratio=16.0),
}


def values(shape):
    """Small values that any language computes alike."""
    n = math.prod(shape)
    return mx.array([((k * 7919) % 1000 / 1000 - 0.5) * 0.2 for k in range(n)]).reshape(shape)


class Dropped(nn.Module):
    """mlx.nn.Dropout with a key of its own."""

    def __init__(self, p):
        super().__init__()
        self.p, self._at = p, None

    def __call__(self, x):
        kept = mx.random.bernoulli(1 - self.p, x.shape, key=self._at)
        return (1 / (1 - self.p)) * kept * x


def run(keys, dora=False, tied=False, dropout=0.0, ratio=1.0):
    config = json.loads((FOLDER / "config.json").read_text())
    config["tie_word_embeddings"] = tied
    model = Model(ModelArgs.from_dict(config))
    weights = mx.load(str(FOLDER / "model.safetensors"))
    weights = {n: w.astype(mx.float32) for n, w in weights.items()}
    if not tied:
        weights["lm_head.weight"] = values(weights["model.embed_tokens.weight"].shape)
    model.load_weights(list(weights.items()))
    model.freeze()
    linear_to_lora_layers(model, 1, dict(rank=3, scale=4.0, dropout=dropout, keys=keys), use_dora=dora)
    start = [
        (n, values(w.shape)) for n, w in tree_flatten(model.trainable_parameters()) if not n.endswith(".m")
    ]
    model.update(tree_unflatten(start))
    drops = []
    if dropout:
        for name in keys_in_order(model, keys):
            module = model
            for part in name.split("."):
                module = module[int(part)] if part.isdigit() else getattr(module, part)
            module.dropout = Dropped(dropout)
            drops.append(module.dropout)
    step, losses = nn.value_and_grad(model, default_loss), []
    fast, slow = optim.Adam(1e-2 * ratio, eps=1e-3), optim.Adam(1e-2, eps=1e-3)
    adam = optim.MultiOptimizer([fast, slow], [lambda name, _: name.endswith("lora_b")])
    for i in range(10):
        rest = mx.random.key(100 + i)
        for drop in drops:
            drop._at, rest = mx.random.split(rest)
        (loss, _), grads = step(model, BATCH, LENGTHS)
        adam.update(model, grads)
        mx.eval(model.parameters(), fast.state, slow.state)
        losses.append(loss.item())
    return losses


def keys_in_order(model, keys):
    """Adapted layers in the order of the definition."""
    order = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    for i in range(len(model.layers)):
        for part in order:
            for key in keys:
                if key.endswith(part):
                    yield f"model.layers.{i}.{key}"


out = {"tokens": TOKENS, "losses": {}}
for name, case in CASES.items():
    out["losses"][name] = run(**case)
    print(name, out["losses"][name])
(HERE / "dump.json").write_text(json.dumps(out) + "\n")
