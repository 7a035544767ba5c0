"""Tiny Llamas of formula weights through mlx-lm: logits, loss and the gradients of LoRA adapters.

    python tests/parity/dump_tiny.py tests/parity/data

Writes tiny_<case>.safetensors and an adapter that mlx-lm's own trainer saved (adapter/), with its loss before and
after. mlx 0.32.2, mlx-lm 0.32.2; takes seconds.
"""

import sys
from pathlib import Path

import reference as ref  # first: it sets MLX's environment
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten
from mlx_lm.lora import CONFIG_DEFAULTS
from mlx_lm.tuner.trainer import TrainingArgs, default_loss, train
from mlx_lm.utils import save_config

BASE = dict(
    ref.SIZES,
    hidden_size=64,
    intermediate_size=96,
    num_attention_heads=4,
    head_dim=16,
    rms_norm_eps=1e-5,
    vocab_size=128,
    max_position_embeddings=1024,
)
CASES = {
    "plain": {},
    "traditional_tied": dict(rope_traditional=True, tie_word_embeddings=True),
    "llama3": dict(rope_theta=500000.0, rope_scaling=ref.LLAMA3, tie_word_embeddings=True),
    "attention_bias": dict(attention_bias=True),
    # Heads wider together than the stream, one key head for all, everything else that may differ.
    "odd": dict(
        head_dim=24,
        num_key_value_heads=1,
        num_hidden_layers=3,
        mlp_bias=True,
        rope_scaling={"rope_type": "linear", "factor": 2.5},
        rms_norm_eps=1e-6,
    ),
}
KEYS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
KEYS += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
ROWS, WIDTH, RANK, SCALE, B_LIMIT = 2, 11, 4, 2.0, 0.1


def tokens(name, n):
    return [int(t) % BASE["vocab_size"] for t in ref.hashed(name, n)]


def case(folder, name, changes):
    config = {**BASE, **changes}
    model = ref.tiny(config)
    batch = mx.array(tokens("tokens", ROWS * (WIDTH + 1))).reshape(ROWS, WIDTH + 1)
    lengths = mx.array([[0, WIDTH + 1], [4, 9]])
    out = {"tokens": batch.astype(mx.int32), "lengths": lengths.astype(mx.int32)}
    out["logits"] = model(batch[:, :-1])
    out["loss"], _ = default_loss(model, batch, lengths)
    ref.adapt(model, config["num_hidden_layers"], RANK, SCALE, KEYS, B_LIMIT)
    out["adapted_logits"] = model(batch[:, :-1])
    (out["adapted_loss"], _), grads = nn.value_and_grad(model, default_loss)(model, batch, lengths)
    out.update({"grad." + n: g for n, g in tree_flatten(grads)})
    ref.save(
        folder / f"tiny_{name}.safetensors",
        out,
        config=config,
        rank=RANK,
        scale=SCALE,
        keys=KEYS,
        b_limit=B_LIMIT,
    )


def saved_adapter(folder):
    """As `mlx_lm.lora --train` does it, which writes all its arguments as the config."""
    to = folder / "adapter"
    to.mkdir(exist_ok=True)
    lora = {"rank": 2, "scale": 10.0, "dropout": 0.0, "keys": [KEYS[0], KEYS[2]]}
    args = {**CONFIG_DEFAULTS, "model": "tiny", "train": True, "num_layers": 1, "lora_parameters": lora}
    save_config(dict(args), to / "adapter_config.json")
    model = ref.tiny(BASE)
    ref.adapt(model, args["num_layers"], lora["rank"], lora["scale"], lora["keys"])
    rows = [(tokens(f"row {i}", 10 + i), 0) for i in range(4)]
    batch, lengths = ref.batch_of(rows, 64)
    before = default_loss(model, batch, lengths)[0]
    training = TrainingArgs(batch_size=4, iters=5, adapter_file=to / "adapters.safetensors")
    train(model, optim.Adam(learning_rate=1e-2), rows, args=training)
    model.eval()
    after, count = default_loss(model, batch, lengths)
    out = {"batch": batch, "lengths": lengths, "before": before, "after": after, "targets": count}
    ref.save(folder / "adapter_expected.safetensors", out, config=BASE)


if __name__ == "__main__":
    to = Path(sys.argv[1])
    for name, changes in CASES.items():
        case(to, name, changes)
    saved_adapter(to)
