"""Shared by the scripts that measure a peer's step: the arguments that describe the step, and the figures of its times."""
import json
import pathlib
import statistics

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs"


def read_config(config):
    """The `config.json` that is called `config`, or lies there."""
    path = pathlib.Path(config)
    return json.loads((path if path.is_file() else CONFIGS / f"{config}.json").read_text())


def add_arguments(p):
    p.add_argument("--model", required=True, help="a name of configs/, or a config.json")
    p.add_argument("--batch-size", type=int, default=4)
    p.add_argument("--tokens", type=int, default=512)
    p.add_argument("--grad-checkpoint", choices=["never", "always"], default="never")
    p.add_argument("--dtype", default="bfloat16")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--learning-rate", type=float, default=1e-5)
    p.add_argument("--seed", type=int, default=0, help="of adapter and batch")


def figures(a, ms, losses):
    """Of the times of all steps, those after `--warmup` of them; the first ten losses."""
    timed = ms[a.warmup :]
    median = statistics.median_high(timed)
    return {
        "model": a.model,
        "dtype": a.dtype,
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
        "losses": losses[:10],
    }
