"""mlx-lm's own LoRA step, measured as `llama_lora bench` measures ours: the same weights, adapter and batch, the same
figures, as one line of JSON.

    python peer.py --model llama-3.1-8b --batch-size 4 --tokens 512 [--bits 4] [--grad-checkpoint always]

The step is mlx-lm's: its `default_loss`, its `grad_checkpoint` for each layer, its adapters, Adam, `mx.compile`, and one
`mx.eval` after each step.
"""
import argparse
import json
import time
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import mlx_lm
from mlx_lm.tuner.trainer import default_loss, grad_checkpoint

import weights
from step import add_arguments, figures, read_config


def measure(a):
    config = read_config(a.model)
    start = time.perf_counter()
    model = weights.build(config, getattr(mx, a.dtype), a.bits, a.group_size, a.weights_seed)
    load_seconds, load_peak = time.perf_counter() - start, mx.get_peak_memory()
    if a.fine_tune_type == "full":
        model.freeze()
        for layer in model.layers:
            layer.unfreeze()
    else:
        weights.adapt(model, seed=a.seed)
    if a.grad_checkpoint == "always":
        grad_checkpoint(model.layers[0])
    optimizer = optim.Adam(learning_rate=a.learning_rate)
    value_and_grad = nn.value_and_grad(model, default_loss)
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(batch, lengths):
        (loss, tokens), grads = value_and_grad(model, batch, lengths)
        optimizer.update(model, grads)
        return loss, tokens

    model.train()
    batch = weights.batch(a.batch_size, a.tokens, config["vocab_size"], a.seed)
    lengths = mx.array([[0, a.tokens]] * a.batch_size)
    mx.eval(batch, lengths)
    ms, losses = [], []
    for i in range(a.warmup + a.steps):
        if i == a.warmup:
            mx.clear_cache()
            mx.reset_peak_memory()
        start = time.perf_counter()
        loss, tokens = step(batch, lengths)
        mx.eval(state, loss, tokens)
        ms.append((time.perf_counter() - start) * 1e3)
        losses.append(loss.item())
    return {
        **figures(a, ms, losses),
        "mlx": mx.__version__,
        "mlx_lm": mlx_lm.__version__,
        "bits": a.bits,
        "peak_bytes": mx.get_peak_memory(),
        "load_peak_bytes": load_peak,
        "load_seconds": load_seconds,
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p)
    p.add_argument("--bits", type=int, default=16)
    p.add_argument("--fine-tune-type", choices=["lora", "full"], default="lora")
    p.add_argument("--group-size", type=int, default=64)
    p.add_argument("--weights-seed", type=int, default=0)
    print(json.dumps(measure(p.parse_args())), flush=True)


if __name__ == "__main__":
    main()
