"""Losses of mlx-lm's own LoRA steps on `synth:tiny` and on small models of other families, for tests/synth.rs, and values
of a matrix that is drawn in blocks.

    python -m venv peer && peer/bin/pip install "mlx[cpu]==0.32.2" "mlx-lm==0.32.2"
    MLX_DISABLE_COMPILE=1 peer/bin/python tests/mlx_lm/dump_synth.py > tests/mlx_lm/synth.json
"""
import argparse
import json
import pathlib
import sys
import tempfile

import mlx.core as mx
import mlx_lm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import peer  # noqa: E402
import weights  # noqa: E402

CASES = [("float32", 16, "never"), ("float32", 4, "never"), ("bfloat16", 16, "never"), ("bfloat16", 16, "always")]
STEPS = {"batch_size": 2, "tokens": 40, "learning_rate": 1e-4, "seed": 1, "weights_seed": 2, "group_size": 64}

# The published configs with these sizes.
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "moe_intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "vocab_size": 320,
    # mlx-lm ignores it in most families; no row here is as long.
    "sliding_window": 64,
    "sliding_window_pattern": 2,
    "num_experts": 4,
    "num_experts_per_tok": 2,
}
FAMILIES = ["mistral-7b-v0.1", "mixtral", "qwen2.5-7b", "qwen3-8b", "qwen3-30b-a3b", "gemma2-9b", "gemma3-4b", "phi3-mini"]


# Mixtral differs from Mistral by its experts.
MIXTRAL = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 4, "num_experts_per_tok": 2}


def small(name):
    config = peer.read_config(name.replace("mixtral", "mistral-7b-v0.1")) | (MIXTRAL if name == "mixtral" else {})
    return {k: SMALL[k] if k in SMALL and v is not None else v for k, v in config.items()}


def family(name):
    config = small(name)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "config.json"
        path.write_text(json.dumps(config))
        a = argparse.Namespace(
            model=str(path), steps=5, warmup=0, dtype="float32", bits=16, grad_checkpoint="never", **STEPS
        )
        return {"config": config, "losses": peer.measure(a)["losses"]}


losses = []
for dtype, bits, again in CASES:
    a = argparse.Namespace(model="tiny", steps=10, warmup=0, dtype=dtype, bits=bits, grad_checkpoint=again, **STEPS)
    losses.append({"dtype": dtype, "bits": bits, "grad_checkpoint": again, "losses": peer.measure(a)["losses"]})

rows = weights.BLOCK // 1024
big = weights.normal("big", [rows + 2, 1024], mx.float32, 2**64 - 3)
at = [[0, 0], [rows - 1, 1023], [rows, 0], [rows + 1, 1023]]
blocks = [{"at": p, "value": big[p[0], p[1]].item()} for p in at]
versions = {"mlx": mx.__version__, "mlx_lm": mlx_lm.__version__}
print(json.dumps({"versions": versions, **STEPS, "cases": losses, "families": [family(n) for n in FAMILIES], "blocks": blocks}, indent=1))
