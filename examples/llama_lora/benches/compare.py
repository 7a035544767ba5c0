"""One LoRA step on the CPU, ours beside mlx-lm's, in turn in one run: medians and the ratio.

    python -m venv peer && peer/bin/pip install "mlx[cpu]==0.32.2" "mlx-lm==0.32.2"
    peer/bin/python examples/llama_lora/benches/compare.py --blas LIBBLAS.so [--rounds 3]

mlx-lm runs at its best here: an OpenBLAS in LD_PRELOAD (a library that exports cblas_sgemm: Debian's
libopenblas0-pthread has one) and MLX_DISABLE_COMPILE=1. Both run the same shapes: SmolLM2-135M, float32,
rank 8 on q, k, v and o of all layers, Adam, random weights and tokens.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

PEER = """
import sys, time, mlx.core as mx, mlx.nn as nn, mlx.optimizers as optim
from functools import partial
from mlx_lm.models.llama import Model, ModelArgs
from mlx_lm.tuner.trainer import default_loss
from mlx_lm.tuner.utils import linear_to_lora_layers
batch, tokens, steps = map(int, sys.argv[1:])
args = ModelArgs(model_type="llama", hidden_size=576, num_hidden_layers=30, intermediate_size=1536,
    num_attention_heads=9, num_key_value_heads=3, rms_norm_eps=1e-5, vocab_size=49152, rope_theta=1e5,
    rope_traditional=True, tie_word_embeddings=True)
model = Model(args)
model.freeze()
keys = ["self_attn." + k for k in ("q_proj", "k_proj", "v_proj", "o_proj")]
linear_to_lora_layers(model, 30, {"rank": 8, "scale": 20.0, "dropout": 0.0, "keys": keys})
mx.eval(model.parameters())
opt = optim.Adam(learning_rate=1e-5)
value_and_grad = nn.value_and_grad(model, default_loss)
state = [model.state, opt.state, mx.random.state]
@partial(mx.compile, inputs=state, outputs=state)
def step(b, l):
    (v, t), g = value_and_grad(model, b, l)
    opt.update(model, g)
    return v, t
model.train()
b = mx.random.randint(0, 49152, (batch, tokens + 1))
l = mx.array([[0, tokens]] * batch)
mx.eval(b, l)
for i in range(steps + 1):
    start = time.perf_counter()
    v, t = step(b, l)
    mx.eval(state, v, t)
    print(f"step {i}: {(time.perf_counter() - start) * 1e3:.1f} ms, loss {v.item():.4f}", flush=True)
"""


def times(command, **env):
    out = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
    if out.returncode:
        sys.exit(f"{command[0]} failed:\n{out.stderr}")
    found = [float(t) for t in re.findall(r"^step \d+: ([\d.]+) ms", out.stdout, re.M)]
    return found[1:], out.stdout.strip().splitlines()[-1]  # the first step fills caches


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--blas", help="an OpenBLAS to preload for mlx-lm")
    p.add_argument("--batch", default="1")
    p.add_argument("--tokens", default="128")
    p.add_argument("--steps", default="7")
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    shape = [a.batch, a.tokens, a.steps]
    bench = ["cargo", "bench", "-q", "-p", "llama_lora", "--bench", "step"]
    subprocess.run([*bench, "--no-run"], check=True)
    peer_env = {"MLX_DISABLE_COMPILE": "1", **({"LD_PRELOAD": a.blas} if a.blas else {})}
    ours, theirs, last = [], [], ""
    for _ in range(a.rounds):
        t, _ = times([sys.executable, "-c", PEER, *shape], **peer_env)
        theirs += t
        t, last = times([*bench, "--", *shape])
        ours += t
    m, n = statistics.median(ours), statistics.median(theirs)
    core = os.environ.get("OPENBLAS_CORETYPE", "unset")
    print(f"batch {a.batch} x {a.tokens} tokens, {len(ours)} steps each, OPENBLAS_CORETYPE {core}")
    print(f"ours   median {m:7.1f} ms (fastest {min(ours):.1f})")
    print(f"mlx-lm median {n:7.1f} ms (fastest {min(theirs):.1f})")
    print(f"ratio  {m / n:.3f} (of the fastest: {min(ours) / min(theirs):.3f})")
    print(f"ours, last round: {last}")


main()
