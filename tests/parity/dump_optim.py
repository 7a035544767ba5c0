"""Writes optim.safetensors: trajectories of MLX's own optimisers and schedules, for optim.rs.

    pip install mlx==0.32.2 numpy && python dump_optim.py

start/<i> and grads/<i>, [steps, ..], are the inputs of every run; <run>/params/<i>, [kept, ..],
are the parameters after the steps in `kept`, and <run>/state/<i>/<name> is the state at the end.
"""

import pathlib

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np

mx.set_default_device(mx.cpu)
STEPS = 20
KEPT = [0, 1, 4, 9, 19]
# Wide, tall, flat; two of one shape, one of more than two dims.
SHAPES = [(4, 3), (5,), (2, 6), (4, 3), (2, 3, 2)]
rng = np.random.default_rng(1)
start = [mx.array(rng.normal(size=s).astype(np.float32)) for s in SHAPES]
# Gradients of changing size, some of them tiny, where eps counts.
sizes = 10.0 ** rng.uniform(-4, 1, STEPS)
grads = [mx.array(np.stack([rng.normal(size=s) * k for k in sizes]).astype(np.float32)) for s in SHAPES]

out = {f"start/{i}": a for i, a in enumerate(start)} | {f"grads/{i}": a for i, a in enumerate(grads)}
out["kept"] = mx.array(KEPT)
HALF = [mx.bfloat16] * len(SHAPES)
# Two groups, of which one is not together in the list.
MIXED = [mx.float32, mx.bfloat16, mx.float32, mx.bfloat16, mx.float32]


def schedule():
    warm = optim.linear_schedule(0.0, 1e-2, 5)
    return optim.join_schedules([warm, optim.cosine_decay(1e-2, 10, 1e-3)], [5])


def both():
    return optim.MultiOptimizer([optim.Muon(1e-2), optim.AdamW(5e-3)], [lambda name, w: w.ndim == 2])


def run(name, opt, clip=None, bound=None, dtypes=[mx.float32] * len(SHAPES)):
    # MLX's Adafactor changes the parameters it is given in place (`+=`): hence copies, here and below.
    params = {f"t{i}": (a * 1).astype(d) for i, (a, d) in enumerate(zip(start, dtypes))}
    path = {k: [] for k in params}
    norms = []
    opt.init(params)
    for t in range(STEPS):
        g = {f"t{i}": a[t].astype(d) for i, (a, d) in enumerate(zip(grads, dtypes))}
        if bound is not None:
            g = {k: mx.clip(a, -bound, bound) for k, a in g.items()}
        if clip is not None:
            g, norm = optim.clip_grad_norm(g, clip)
            norms.append(norm)
        params = opt.apply_gradients(g, params)
        mx.eval(params, opt.state)
        if t in KEPT:
            for k, v in params.items():
                path[k].append(v * 1)
    for k in params:
        i = k[1:]
        out[f"{name}/params/{i}"] = mx.stack(path[k])
        for slot, value in ({} if "states" in opt.state else opt.state[k]).items():
            out[f"{name}/state/{i}/{slot}"] = value
    if norms:
        out[f"{name}/norms"] = mx.stack(norms)


run("sgd", optim.SGD(1e-2))
run("sgd_momentum", optim.SGD(1e-2, momentum=0.9))
run("sgd_all", optim.SGD(1e-2, momentum=0.9, dampening=0.1, weight_decay=0.05))
run("sgd_nesterov", optim.SGD(1e-2, momentum=0.8, nesterov=True))
run("adam", optim.Adam(1e-2))
run("adam_corrected", optim.Adam(1e-2, bias_correction=True))
run("adamw", optim.AdamW(1e-2, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.1))
run("adamw_corrected", optim.AdamW(1e-2, weight_decay=0.1, bias_correction=True))
run("adamw_scheduled", optim.AdamW(schedule()))
run("adamw_clipped", optim.AdamW(1e-2), clip=0.5)
run("adamw_bounded", optim.AdamW(1e-2), bound=0.01)
run("lion", optim.Lion(1e-3))
run("lion_decay", optim.Lion(1e-3, betas=[0.8, 0.95], weight_decay=0.1))
run("adafactor", optim.Adafactor())
run("adafactor_warm", optim.Adafactor(warmup_init=True, clip_threshold=0.5, decay_rate=-0.7, weight_decay=0.1))
run("adafactor_lr", optim.Adafactor(1e-2, relative_step=False, scale_parameter=False, beta_1=0.9, eps=(1e-20, 1e-2)))
run("muon", optim.Muon(1e-2))
run("muon_plain", optim.Muon(1e-2, momentum=0.9, weight_decay=0.0, nesterov=False, ns_steps=3))
run("parts", both())
run("parts_mixed", both(), dtypes=MIXED)
run("sgd_bf16", optim.SGD(1e-2, momentum=0.8, nesterov=True), dtypes=HALF)
run("adamw_bf16", optim.AdamW(1e-2, bias_correction=True), dtypes=HALF)
run("lion_bf16", optim.Lion(1e-3, weight_decay=0.1), dtypes=HALF)
run("adafactor_bf16", optim.Adafactor(), dtypes=HALF)
run("muon_bf16", optim.Muon(1e-2), dtypes=HALF)
run("adamw_mixed", optim.AdamW(1e-2), dtypes=MIXED)
run("adafactor_mixed", optim.Adafactor(weight_decay=0.1, beta_1=0.5), dtypes=MIXED)
run("muon_mixed", optim.Muon(1e-2), dtypes=MIXED)

for name, s in {
    "linear": optim.linear_schedule(1e-3, 1e-1, 70),
    "cosine": optim.cosine_decay(1e-1, 120, 1e-2),
    "cosine_to_zero": optim.cosine_decay(1e-5, 150),
    "exponential": optim.exponential_decay(1e-1, 0.99),
    "step": optim.step_decay(1e-1, 0.5, 40),
    "join": schedule(),
    "join_three": optim.join_schedules(
        [optim.linear_schedule(0.0, 1e-3, 20), lambda _: mx.array(1e-3), optim.exponential_decay(1e-3, 0.97)], [20, 90]
    ),
}.items():
    out[f"schedule/{name}"] = mx.stack([mx.array(s(mx.array(t, mx.uint64)), mx.float32) for t in range(200)])

here = pathlib.Path(__file__).parent
mx.save_safetensors(
    str(here / "optim.safetensors"), out, {"made by": "dump_optim.py, mlx " + mx.__version__ + ", CPU"}
)
