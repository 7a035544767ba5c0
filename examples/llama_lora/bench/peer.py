"""mlx-lm's own LoRA step, measured as `llama_lora bench` measures ours: the same weights, adapter and batch, the same
figures, as one line of JSON.

    python peer.py --model llama-3.1-8b --batch-size 4 --tokens 512 [--bits 4] [--grad-checkpoint always]

The step is mlx-lm's: its `default_loss`, its `grad_checkpoint` for each layer, its adapters, Adam, `mx.compile`, and one
`mx.eval` after each step.
"""
import argparse
import json
import statistics
import time
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import mlx_lm
from mlx_lm.tuner.trainer import default_loss, grad_checkpoint

import weights


def measure(a):
    config = weights.read_config(a.model)
    start = time.perf_counter()
    model = weights.build(config, getattr(mx, a.dtype), a.bits, a.group_size, a.weights_seed)
    load_seconds, load_peak = time.perf_counter() - start, mx.get_peak_memory()
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
    timed = ms[a.warmup :]
    median = statistics.median_high(timed)
    return {
        "model": a.model,
        "mlx": mx.__version__,
        "mlx_lm": mlx_lm.__version__,
        "dtype": a.dtype,
        "bits": a.bits,
        "batch_size": a.batch_size,
        "tokens": a.tokens,
        "grad_checkpoint": a.grad_checkpoint,
        "steps": a.steps,
        "warmup": a.warmup,
        "median_ms": median,
        "min_ms": min(timed),
        "first_step_ms": ms[0],
        "steps_per_second": 1e3 / median,
        "tokens_per_second": a.batch_size * a.tokens * 1e3 / median,
        "peak_bytes": mx.get_peak_memory(),
        "load_peak_bytes": load_peak,
        "load_seconds": load_seconds,
        "losses": losses[:10],
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, help="a name of configs/, or a config.json")
    p.add_argument("--batch-size", type=int, default=4)
    p.add_argument("--tokens", type=int, default=512)
    p.add_argument("--bits", type=int, default=16)
    p.add_argument("--group-size", type=int, default=64)
    p.add_argument("--grad-checkpoint", choices=["never", "always"], default="never")
    p.add_argument("--dtype", default="bfloat16")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--learning-rate", type=float, default=1e-5)
    p.add_argument("--seed", type=int, default=0, help="of adapter and batch")
    p.add_argument("--weights-seed", type=int, default=0)
    print(json.dumps(measure(p.parse_args())), flush=True)


if __name__ == "__main__":
    main()
