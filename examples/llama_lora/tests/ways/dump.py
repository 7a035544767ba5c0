"""Dumps losses of full fine-tuning with mlx and mlx-lm, for tests/ways.rs. mlx 0.32.2, mlx-lm 0.32.2.

    python examples/llama_lora/tests/ways/dump.py

The model is tests/fuse/lora/model in float32; ten steps of Adam on one batch, with and without clipping.
"""

import json
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_map
from mlx_lm.models.llama import Model, ModelArgs
from mlx_lm.tuner.trainer import default_loss

HERE = Path(__file__).parent
FOLDER = HERE.parent / "fuse/lora/model"
TOKENS = [[(7 * i + 31 * j) % 250 for i in range(13)] for j in range(2)]
BATCH, LENGTHS = mx.array(TOKENS), mx.array([[0, 12], [0, 12]])
CLIPS = {
    "none": lambda g: g,
    "norm": lambda g: optim.clip_grad_norm(g, 0.05)[0],
    "value": lambda g: tree_map(lambda x: mx.clip(x, -1e-3, 1e-3), g),
}
out = {"tokens": TOKENS, "losses": {}}
for name, clip in CLIPS.items():
    model = Model(ModelArgs.from_dict(json.loads((FOLDER / "config.json").read_text())))
    weights = mx.load(str(FOLDER / "model.safetensors"))
    model.load_weights([(n, w.astype(mx.float32)) for n, w in weights.items()])
    model.freeze()
    for layer in model.layers:
        layer.unfreeze()
    step, adam, losses = nn.value_and_grad(model, default_loss), optim.Adam(1e-2, eps=1e-3), []
    for _ in range(10):
        (loss, _), grads = step(model, BATCH, LENGTHS)
        adam.update(model, clip(grads))
        mx.eval(model.parameters(), adam.state)
        losses.append(loss.item())
    out["losses"][name] = losses
    print(name, losses)
(HERE / "dump.json").write_text(json.dumps(out) + "\n")
