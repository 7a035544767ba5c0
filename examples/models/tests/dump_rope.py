"""Rotations of scaled models: the numbers of transformers, and what mlx-lm's models compute with them.

    python examples/models/tests/dump_rope.py examples/models/tests/data

Writes rope.safetensors. Under `angles.*`, for configs and lengths of texts, the inverse frequencies and the attention factor of
`modeling_rope_utils.py` of transformers; its few calls of torch are NumPy's here, in float64. Under `logits.*`, mlx-lm's logits
of one tiny model of each family (the weights are the same for all its cases), where mlx-lm means the same as transformers.
transformers 5.24.0, mlx 0.32.2, mlx-lm 0.32.2, numpy 2.4.6; seconds.
"""

import importlib
import json
import os
import sys
import types
from pathlib import Path

os.environ["MLX_DISABLE_COMPILE"] = "1"

import mlx.core as mx
import numpy as np
import transformers
from mlx.utils import tree_flatten
from transformers import modeling_rope_utils as rope
from transformers.models.gemma3.configuration_gemma3 import Gemma3TextConfig
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.phi3.configuration_phi3 import Phi3Config

mx.set_default_device(mx.cpu)


class Tensor(np.ndarray):
    def to(self, **_):
        return self.astype(np.float64).view(Tensor)

    def float(self):
        return self.to()


def tensor(values, **_):
    return np.asarray(values, np.float64).view(Tensor)


rope.torch = types.SimpleNamespace(
    Tensor=Tensor,
    float=np.float64,
    float32=np.float64,
    int64=np.int64,
    tensor=tensor,
    arange=lambda *a, **_: np.arange(*a).astype(np.float64).view(Tensor),
    clamp=lambda x, low, high: np.clip(x, low, high),
    where=np.where,
)

BASE = dict(
    hidden_size=32,
    num_hidden_layers=1,
    intermediate_size=12,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=16,
    vocab_size=16,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    max_position_embeddings=64,
    tie_word_embeddings=True,
)
LLAMA = {**BASE, "model_type": "llama"}
PHI = {**BASE, "model_type": "phi3", "num_key_value_heads": 2, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 8, "max_position_embeddings": 32}
LONG = {"long_factor": [1.1, 2.5, 4.0, 5.0, 6.5, 8.0], "short_factor": [1.0, 1.05, 1.1, 1.2, 1.25, 1.5]}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
YARN_LONG = {**YARN, "original_max_position_embeddings": 512}
GEMMA = {**BASE, "model_type": "gemma3_text", "sliding_window": 4, "num_hidden_layers": 2}
GEMMA.pop("rope_theta")

# The config, the lengths of texts, and whether mlx-lm's logits are those of transformers.
CASES = {
    "default": (LLAMA | {"rope_scaling": {"rope_type": "default"}}, [12], True),
    "linear": (LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.5}}, [12], True),
    "llama3": (
        LLAMA | {"rope_scaling": dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)},
        [12],
        True,
    ),
    "dynamic": (LLAMA | {"max_position_embeddings": 8, "rope_scaling": {"type": "dynamic", "factor": 3.0}}, [5, 12], True),
    "yarn": (LLAMA | {"rope_scaling": YARN}, [12], True),
    "yarn_long": (LLAMA | {"rope_scaling": YARN_LONG}, [12], True),
    "yarn_scales": (LLAMA | {"rope_scaling": YARN_LONG | {"mscale": 0.8, "mscale_all_dim": 0.5, "beta_fast": 20, "beta_slow": 2}}, [12], True),
    # mlx-lm reads neither of these two, and takes `mscale` alone for a number of its own.
    "yarn_factor": (LLAMA | {"rope_scaling": YARN_LONG | {"attention_factor": 1.25}}, [12], False),
    "yarn_smooth": (LLAMA | {"rope_scaling": YARN_LONG | {"truncate": False}}, [12], False),
    "yarn_mscale": (LLAMA | {"rope_scaling": YARN_LONG | {"mscale": 0.7}}, [12], False),
    # mlx-lm takes 4096 for the missing length.
    "yarn_short": (LLAMA | {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, [12], False),
    # The numbers of transformers 5, which go before those beside them.
    "parameters": (LLAMA | {"rope_parameters": YARN_LONG | {"rope_theta": 500.0}}, [12], False),
    # mlx-lm takes the long factors for every text; its logits below are of the texts that have them in transformers.
    "longrope": (PHI | {"rope_scaling": {"type": "longrope", **LONG}}, [12, 6], True),
    "su": (PHI | {"rope_scaling": {"type": "su", "attention_factor": 1.3, "original_max_position_embeddings": 8, **LONG}}, [12, 6], False),
    "gemma3_nested": (
        GEMMA
        | {
            "sliding_window_pattern": 2,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e5},
                "sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e3},
            },
        },
        [12],
        False,
    ),
    "gemma3_flat": (
        GEMMA | {"sliding_window_pattern": 2, "rope_theta": 1e5, "rope_local_base_freq": 2e3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        [12],
        False,
    ),
}
CONFIGS = {"llama": LlamaConfig, "phi3": Phi3Config, "gemma3_text": Gemma3TextConfig}


def plain(config, layer):
    numbers = config.rope_parameters[layer] if layer else config.rope_parameters
    part = int(config.head_dim * numbers.get("partial_rotary_factor", 1.0))
    return 1.0 / numbers["rope_theta"] ** (np.arange(0, part, 2) / part), 1.0


def angles(config, length, layer=None):
    numbers = config.rope_parameters[layer] if layer else config.rope_parameters
    kind = numbers["rope_type"]
    if kind == "default":
        return plain(config, layer)
    return rope.ROPE_INIT_FUNCTIONS[kind](config, seq_len=length, layer_type=layer)


mx.random.seed(3)
tokens = mx.random.randint(0, BASE["vocab_size"], (2, 12)).astype(mx.int32)
out, weights = {"tokens": tokens}, {}
for name, (config, lengths, whole) in CASES.items():
    theirs = CONFIGS[config["model_type"]](**json.loads(json.dumps(config)))
    layers = ["full_attention", "sliding_attention"] if "gemma" in name else [None]
    for layer in layers:
        for length in lengths:
            inverse, factor = angles(theirs, length, layer)
            key = f"angles.{name}.{length}" + (f".{layer}" if layer else "")
            out[key] = mx.array(np.append(np.asarray(inverse, np.float64), factor).astype(np.float32))
    if not whole:
        continue
    family = config["model_type"]
    module = importlib.import_module(f"mlx_lm.models.{family}")
    for length in lengths:
        given = dict(config)
        if family == "phi3" and length <= given["original_max_position_embeddings"]:
            scaling = given["rope_scaling"]
            given["rope_scaling"] = scaling | {"long_factor": scaling["short_factor"]}
        if family == "phi3":
            given.pop("head_dim")
        model = module.Model(module.ModelArgs.from_dict(given))
        if family not in weights:
            weights[family] = [
                (n, mx.random.normal(a.shape) / a.shape[-1] ** 0.5 if a.ndim > 1 else mx.random.uniform(0.6, 1.4, a.shape))
                for n, a in tree_flatten(model.parameters())
            ]
            out |= {f"weight.{family}.{n}": a for n, a in weights[family]}
        model.load_weights(weights[family])
        out[f"logits.{name}.{length}"] = model(tokens[:, :length])

facts = {"cases": json.dumps({n: [c, l] for n, (c, l, _) in CASES.items()}), "config": "", "versions": f"transformers {transformers.__version__}"}
path = Path(sys.argv[1]) / "rope.safetensors"
mx.save_safetensors(str(path), {n: mx.contiguous(a) for n, a in out.items()}, facts)
print(path.stat().st_size, "bytes")
