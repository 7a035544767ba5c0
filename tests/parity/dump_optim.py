"""Writes optim.safetensors: trajectories of MLX's own optimisers and schedules, for optim.rs.

    pip install mlx==0.32.2 numpy && python dump_optim.py

grads/<i> and start/<i> are the inputs of every run; <run>/params/<i>, [steps, ..], follows the
parameters, and <run>/m/<i>, <run>/v/<i> are the averages at the end.
"""

import pathlib

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np

mx.set_default_device(mx.cpu)
STEPS = 20
SHAPES = [(4, 3), (5,)]
rng = np.random.default_rng(1)
start = [mx.array(rng.normal(size=s).astype(np.float32)) for s in SHAPES]
# Gradients of changing size, some of them tiny, where eps counts.
sizes = 10.0 ** rng.uniform(-4, 1, STEPS)
grads = [mx.array(np.stack([rng.normal(size=s) * k for k in sizes]).astype(np.float32)) for s in SHAPES]

out = {f"start/{i}": a for i, a in enumerate(start)} | {f"grads/{i}": a for i, a in enumerate(grads)}


def schedule():
    warm = optim.linear_schedule(0.0, 1e-2, 5)
    return optim.join_schedules([warm, optim.cosine_decay(1e-2, 10, 1e-3)], [5])


def run(name, opt, clip=None, dtype=mx.float32):
    params = {str(i): a.astype(dtype) for i, a in enumerate(start)}
    path = {k: [] for k in params}
    norms = []
    opt.init(params)
    for t in range(STEPS):
        g = {str(i): a[t].astype(dtype) for i, a in enumerate(grads)}
        if clip is not None:
            g, norm = optim.clip_grad_norm(g, clip)
            norms.append(norm)
        params = opt.apply_gradients(g, params)
        mx.eval(params, opt.state)
        for k, v in params.items():
            path[k].append(v)
    for k in params:
        out[f"{name}/params/{k}"] = mx.stack(path[k])
        out[f"{name}/m/{k}"] = opt.state[k]["m"]
        out[f"{name}/v/{k}"] = opt.state[k]["v"]
    if norms:
        out[f"{name}/norms"] = mx.stack(norms)


run("adam", optim.Adam(1e-2))
run("adam_corrected", optim.Adam(1e-2, bias_correction=True))
run("adamw", optim.AdamW(1e-2, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.1))
run("adamw_corrected", optim.AdamW(1e-2, weight_decay=0.1, bias_correction=True))
run("adamw_scheduled", optim.AdamW(schedule()))
run("adamw_clipped", optim.AdamW(1e-2), clip=0.5)
run("adamw_bf16", optim.AdamW(1e-2, bias_correction=True), dtype=mx.bfloat16)

for name, s in {
    "linear": optim.linear_schedule(1e-3, 1e-1, 7),
    "cosine": optim.cosine_decay(1e-1, 12, 1e-2),
    "exponential": optim.exponential_decay(1e-1, 0.9),
    "step": optim.step_decay(1e-1, 0.5, 4),
    "join": schedule(),
}.items():
    out[f"schedule/{name}"] = mx.stack([mx.array(s(mx.array(t, mx.uint64)), mx.float32) for t in range(20)])

here = pathlib.Path(__file__).parent
mx.save_safetensors(
    str(here / "optim.safetensors"), out, {"made by": "dump_optim.py, mlx " + mx.__version__ + ", CPU"}
)
