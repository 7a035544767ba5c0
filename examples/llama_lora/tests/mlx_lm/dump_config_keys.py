"""Every key that a configuration of mlx-lm's LoRA trainer may have, dumped for tests/config_keys.rs.

python dump_config_keys.py      (mlx 0.32.2, mlx-lm 0.32.2)

Writes config_keys.json beside itself: the keys and defaults of CONFIG_DEFAULTS, the flags of the command line, and the
arguments of each optimiser and schedule.
"""

import inspect
import json
from importlib.metadata import version
from pathlib import Path

import mlx.optimizers as optim
from mlx_lm import lora

OPTIMIZERS = {"adam": optim.Adam, "adamw": optim.AdamW, "muon": optim.Muon, "sgd": optim.SGD, "adafactor": optim.Adafactor}
SCHEDULES = ["cosine_decay", "exponential_decay", "linear_schedule", "step_decay"]


def arguments(function):
    names = inspect.signature(function).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in names}


out = {
    "mlx": version("mlx"),
    "mlx_lm": version("mlx-lm"),
    "defaults": lora.CONFIG_DEFAULTS,
    "flags": sorted(a.dest for a in lora.build_parser()._actions if a.dest != "help"),
    "optimizers": {name: arguments(cls.__init__) for name, cls in OPTIMIZERS.items()},
    "schedules": {name: arguments(getattr(optim.schedulers, name)) for name in SCHEDULES},
}
for numbers in out["optimizers"].values():
    # mlx-lm gives the rate itself.
    del numbers["self"], numbers["learning_rate"]
(Path(__file__).parent / "config_keys.json").write_text(json.dumps(out, indent=1) + "\n")
