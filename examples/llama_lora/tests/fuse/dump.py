"""Dumps what mlx-lm's `fuse` makes of small models with adapters, for tests/fuse.rs. mlx 0.32.2, mlx-lm 0.32.2.

    python examples/llama_lora/tests/fuse/dump.py

Writes NAME/ for each case: the model's folder without tokenizer, the adapter's folder, and fused.safetensors.
"""

import json
import shutil
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.llama import Model, ModelArgs
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import dequantize_model

HERE = Path(__file__).parent
CONFIG = {
    "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 258, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": True, "max_position_embeddings": 64, "eos_token_id": 257,
}
KEYS = ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"]
# Name, fine_tune_type, dtype, quantisation.
CASES = [
    ("lora", "lora", mx.bfloat16, None),
    ("dora", "dora", mx.float32, None),
    ("lora_q4", "lora", mx.float16, {"group_size": 32, "bits": 4, "mode": "affine"}),
    ("lora_mxfp4", "lora", mx.bfloat16, {"group_size": 32, "bits": 4, "mode": "mxfp4"}),
]


def fused(model, dequantize):
    made = [(n, m.fuse(dequantize=dequantize)) for n, m in model.named_modules() if hasattr(m, "fuse")]
    model.update_modules(tree_unflatten(made))
    if dequantize:
        model = dequantize_model(model)
    return dict(tree_flatten(model.parameters()))


def build(kind, dtype, how, seed):
    mx.random.seed(seed)
    model = Model(ModelArgs.from_dict(CONFIG))
    model.set_dtype(dtype)
    if how:
        nn.quantize(model, **how)
    base = dict(tree_flatten(model.parameters()))
    model.freeze()
    linear_to_lora_layers(model, 1, {"rank": 4, "scale": 3.0, "dropout": 0.0, "keys": KEYS}, use_dora=kind == "dora")
    trained = []
    for name, value in tree_flatten(model.trainable_parameters()):
        if name.endswith(("lora_a", "lora_b")):
            trained.append((name, mx.random.normal(value.shape) * 0.05))
        else:
            trained.append((name, value * mx.random.uniform(0.9, 1.1, value.shape)))
    model.load_weights(trained, strict=False)
    return base, dict(trained), model


for seed, (name, kind, dtype, how) in enumerate(CASES):
    base, adapter, model = build(kind, dtype, how, seed)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "model").mkdir(parents=True)
    (folder / "adapters").mkdir()
    mx.save_safetensors(str(folder / "model/model.safetensors"), base)
    config = dict(CONFIG)
    if how:
        config["quantization"] = how
    (folder / "model/config.json").write_text(json.dumps(config))
    mx.save_safetensors(str(folder / "adapters/adapters.safetensors"), adapter)
    (folder / "adapters/adapter_config.json").write_text(json.dumps({
        "fine_tune_type": kind, "num_layers": 1,
        "lora_parameters": {"rank": 4, "scale": 3.0, "dropout": 0.0, "keys": KEYS},
    }))
    result = fused(model, False)
    changed = {n: v for n, v in result.items() if any(k in n for k in KEYS)}
    if how:
        _, _, again = build(kind, dtype, how, seed)
        unpacked = fused(again, True)
        changed |= {f"dequantized.{n}": v for n, v in unpacked.items() if n.endswith("q_proj.weight") or "v_proj" in n}
    mx.save_safetensors(str(folder / "fused.safetensors"), changed)
