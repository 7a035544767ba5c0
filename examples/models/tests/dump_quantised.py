"""A tiny Llama packed in every mode by mlx-lm: what it computes, and its adapters' gradients.

    python examples/models/tests/dump_quantised.py examples/models/tests/data

Writes quantised.safetensors: the config, the weights as they were, tokens, targets and weights of a loss; for every
mode the logits, the loss with adapters at two projections and its gradient for them; for some modes the packed
tensors under the names of an MLX checkpoint. mlx 0.32.2, mlx-lm 0.32.2; seconds.
"""

import json
import os
import sys
from pathlib import Path

os.environ["MLX_DISABLE_COMPILE"] = "1"

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models import llama
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import quantize_model

mx.set_default_device(mx.cpu)

CONFIG = dict(
    model_type="llama",
    hidden_size=64,
    num_hidden_layers=1,
    intermediate_size=128,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    vocab_size=48,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    max_position_embeddings=64,
    tie_word_embeddings=True,
)
MODES = {f"affine{bits}": dict(mode="affine", bits=bits, group_size=32 if bits in (2, 5) else 64) for bits in (2, 3, 4, 5, 6, 8)}
MODES |= {mode: dict(mode=mode, bits=None, group_size=None) for mode in ("mxfp4", "mxfp8", "nvfp4")}
WHOLE = ("affine3", "mxfp4", "mxfp8", "nvfp4")


def loss(model, tokens, targets, weights):
    nll = nn.losses.cross_entropy(model(tokens), targets)
    return (weights * nll).sum() / weights.sum()


mx.random.seed(9)
fresh = llama.Model(llama.ModelArgs.from_dict(CONFIG))
dense = {}
for name, a in tree_flatten(fresh.parameters()):
    dense[name] = mx.random.normal(a.shape) / a.shape[-1] ** 0.5 if a.ndim > 1 else mx.random.uniform(0.6, 1.4, a.shape)
batch = mx.random.randint(0, CONFIG["vocab_size"], (2, 8)).astype(mx.int32)
tokens, targets = batch[:, :-1], batch[:, 1:]
weights = mx.maximum(mx.random.uniform(-0.5, 1.0, tokens.shape), 0)
out = {"weight." + n: a for n, a in dense.items()}
out |= {"tokens": tokens, "targets": targets, "weights": weights}
keys, adapters = ["self_attn.q_proj", "mlp.down_proj"], None
for name, how in MODES.items():
    model = llama.Model(llama.ModelArgs.from_dict(CONFIG))
    model.load_weights(list(dense.items()))
    model, config = quantize_model(model, dict(CONFIG), **how)
    if name in WHOLE:
        out |= {f"{name}.weight.{n}": a for n, a in tree_flatten(model.parameters())}
    out[f"{name}.logits"] = model(tokens)
    model.freeze()
    linear_to_lora_layers(model, 1, {"rank": 2, "scale": 2.0, "dropout": 0.0, "keys": keys})
    if adapters is None:
        adapters = [(n, mx.random.uniform(-0.3, 0.3, a.shape)) for n, a in tree_flatten(model.trainable_parameters())]
        out |= {"adapter." + n: a for n, a in adapters}
    model.load_weights(adapters, strict=False)
    out[f"{name}.loss"], grads = nn.value_and_grad(model, loss)(model, tokens, targets, weights)
    out |= {f"{name}.grad." + n: g for n, g in tree_flatten(grads)}
facts = {"config": json.dumps(CONFIG), "keys": json.dumps(keys), "modes": json.dumps(list(MODES.items()))}
path = Path(sys.argv[1]) / "quantised.safetensors"
mx.save_safetensors(str(path), {n: mx.contiguous(a) for n, a in out.items()}, facts)
print(path.stat().st_size, "bytes")
