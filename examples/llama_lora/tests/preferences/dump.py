"""Dumps preference losses and their gradients as TRL 1.16.0 computes them with torch, for tests/preferences.rs.

    pip download --no-deps trl==1.16.0 && unzip trl-*.whl -d trl-sources
    python examples/llama_lora/tests/preferences/dump.py trl-sources

The functions are TRL's own, taken from its sources, because importing TRL needs more than torch.
"""

import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F

SOURCES = Path(sys.argv[1]) / "trl"
PAIRS, LENGTH = 3, 7


def function(file, name):
    """A function or method of TRL."""
    for node in ast.walk(ast.parse((SOURCES / file).read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            node.decorator_list = []
            space = {"torch": torch, "F": F}
            if name != "log1mexp":
                space["log1mexp"] = function("experimental/orpo/orpo_trainer.py", "log1mexp")
            exec(compile(ast.Module([node], []), file, "exec"), space)
            return space[name]
    raise SystemExit(f"{file} has no {name}")


cpo_loss = function("experimental/cpo/cpo_trainer.py", "cpo_loss")
odds_ratio_loss = function("experimental/orpo/orpo_trainer.py", "odds_ratio_loss")
torch.manual_seed(0)
nll = torch.rand(2 * PAIRS, LENGTH) * 3
answers = torch.zeros(2 * PAIRS, LENGTH)
mask = torch.zeros(2 * PAIRS, LENGTH)
for row in range(2 * PAIRS):
    answers[row, 2 : 4 + row % 3] = 1
    mask[row, : 4 + row % 3] = 1
# The last answer is so likely that one minus its likelihood is almost nothing.
nll[PAIRS - 1] *= 1e-3
reference = -torch.rand(2 * PAIRS) * 6
accelerator = SimpleNamespace(device="cpu")


def logps(losses, average):
    sums = -(losses * answers).sum(1)
    return (sums / answers.sum(1) if average else sums).chunk(2)


def dpo(losses, beta):
    # TRL's loss type "sigmoid".
    (chosen, rejected), (ref_chosen, ref_rejected) = logps(losses, False), reference.chunk(2)
    delta_score = (chosen - ref_chosen) - (rejected - ref_rejected)
    return (-F.logsigmoid(beta * delta_score)).mean()


def simpo(losses, beta, gamma):
    this = SimpleNamespace(
        alpha=0.0, loss_type="simpo", beta=beta, simpo_gamma=gamma, label_smoothing=0.0, accelerator=accelerator
    )
    return cpo_loss(this, *logps(losses, True))[0].mean()


def orpo(losses, beta):
    this = SimpleNamespace(beta=beta, accelerator=accelerator)
    ratio = odds_ratio_loss(this, *logps(losses, True))[0].mean()
    # The likelihood of the chosen rows, prompt included.
    return (losses * mask)[:PAIRS].sum() / mask[:PAIRS].sum() - ratio


out = {
    name: value.tolist() for name, value in [("nll", nll), ("answers", answers), ("mask", mask), ("reference", reference)]
}
out["cases"] = []
for loss, beta, gamma in [("dpo", 0.1, 0.0), ("dpo", 0.5, 0.0), ("simpo", 2.0, 0.5), ("simpo", 2.5, 1.4), ("orpo", 0.1, 0.0), ("orpo", 1.0, 0.0)]:
    given = (nll * mask).clone().requires_grad_()
    value = {"dpo": dpo, "orpo": orpo}[loss](given, beta) if loss != "simpo" else simpo(given, beta, gamma)
    value.backward()
    out["cases"].append(
        {"loss": loss, "beta": beta, "gamma": gamma, "value": value.item(), "gradient": given.grad.tolist()}
    )
    print(loss, beta, value.item())
(Path(__file__).parent / "dump.json").write_text(json.dumps(out) + "\n")
