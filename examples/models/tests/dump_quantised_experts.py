"""A tiny Qwen 3 with experts packed by mlx-lm: what it computes, and the gradients of adapters at its experts.

    python examples/models/tests/dump_quantised_experts.py examples/models/tests/data

Writes quantised_experts.safetensors: the config, tokens, targets and weights of a loss; for every mode the packed
tensors under the names of an MLX checkpoint, the logits, the loss with adapters at the experts and its gradient for
them. mlx 0.32.2, mlx-lm 0.32.2; seconds.
"""

import json
import os
import sys
from pathlib import Path

os.environ["MLX_DISABLE_COMPILE"] = "1"

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3_moe
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import quantize_model

mx.set_default_device(mx.cpu)
# mlx-lm gives an argument that MLX's function of this version does not have; it is None here.
gather_qmm = mx.gather_qmm
mx.gather_qmm = lambda *args, global_scale=None, **options: gather_qmm(*args, **options)

CONFIG = dict(
    model_type="qwen3_moe",
    hidden_size=64,
    num_hidden_layers=1,
    intermediate_size=128,
    moe_intermediate_size=64,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    vocab_size=48,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    max_position_embeddings=64,
    tie_word_embeddings=False,
    norm_topk_prob=True,
    num_experts=3,
    num_experts_per_tok=2,
    decoder_sparse_step=1,
    mlp_only_layers=[],
)
MODES = {"affine4": dict(mode="affine", bits=4, group_size=32), "mxfp4": dict(mode="mxfp4", bits=None, group_size=None)}


def loss(model, tokens, targets, weights):
    nll = nn.losses.cross_entropy(model(tokens), targets)
    return (weights * nll).sum() / weights.sum()


mx.random.seed(11)
fresh = qwen3_moe.Model(qwen3_moe.ModelArgs.from_dict(CONFIG))
dense = {}
for name, a in tree_flatten(fresh.parameters()):
    dense[name] = mx.random.normal(a.shape) / a.shape[-1] ** 0.5 if a.ndim > 1 else mx.random.uniform(0.6, 1.4, a.shape)
batch = mx.random.randint(0, CONFIG["vocab_size"], (2, 8)).astype(mx.int32)
tokens, targets = batch[:, :-1], batch[:, 1:]
weights = mx.maximum(mx.random.uniform(-0.5, 1.0, tokens.shape), 0)
out = {"tokens": tokens, "targets": targets, "weights": weights}
keys, adapters = ["mlp.switch_mlp.gate_proj", "mlp.switch_mlp.down_proj"], None
for name, how in MODES.items():
    model = qwen3_moe.Model(qwen3_moe.ModelArgs.from_dict(CONFIG))
    model.load_weights(list(dense.items()))
    # The router stays as it is, so that both modes choose by the same numbers.
    experts_alone = lambda path, module: path.split(".")[-1] != "gate" and hasattr(module, "to_quantized")
    model, _ = quantize_model(model, dict(CONFIG), quant_predicate=experts_alone, **how)
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
facts = {"config": json.dumps(CONFIG), "keys": json.dumps(keys)}
path = Path(sys.argv[1]) / "quantised_experts.safetensors"
mx.save_safetensors(str(path), {n: mx.contiguous(a) for n, a in out.items()}, facts)
print(path.stat().st_size, "bytes")
