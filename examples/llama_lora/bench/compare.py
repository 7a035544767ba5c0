"""One LoRA step, ours beside mlx-lm's, in turn on this machine: first whether the losses agree, then time and memory.

    python -m venv peer && peer/bin/pip install "mlx[cuda12]==0.32.2" "mlx-lm==0.32.2"     # "mlx[cpu]" without a GPU
    cargo build --release -p llama_lora
    peer/bin/python examples/llama_lora/bench/compare.py --out bench

Both draw the same random weights, adapter and batch (`weights.py`), so nothing is downloaded. Every measurement is a process of
its own, with a time limit. `--out` takes results.json and speed.svg. `--rows` picks rows by name, `--list` shows
them. The exit code is 1 if a row failed or its losses do not agree.

`--family` measures other models in turn (names of configs/, `all` for the published ones of 4 to 9 billion parameters), in the row
4x512 unless `--rows` says another. "first s" is the time of the first step in seconds, which compiles what is not on disk: with
`--cold` each process of ours finds nothing there.

`--torch` measures PyTorch's and PEFT's step too, in the rows of 16 bits (its own random weights: time and memory only); it needs
torch, transformers and peft in the same Python.

On a CPU: `--model smollm2-135m --dtype float32 --peer-env MLX_DISABLE_COMPILE=1`, and an OpenBLAS for mlx-lm with
`--peer-env LD_PRELOAD=...`.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import plot

HERE = pathlib.Path(__file__).resolve().parent
# name, bits, rows, tokens, checkpoints
ROWS = [
    ("1x128", 16, 1, 128, "never"),
    ("4x512", 16, 4, 512, "never"),
    ("4x512-again", 16, 4, 512, "always"),
    ("4x2048-again", 16, 4, 2048, "always"),
    ("4bit-1x128", 4, 1, 128, "never"),
    ("4bit-4x512", 4, 4, 512, "never"),
    ("4bit-4x512-again", 4, 4, 512, "always"),
]
FAMILIES = ["mistral-7b-v0.1", "qwen2.5-7b", "qwen3-8b", "gemma2-9b", "gemma3-4b", "phi3-mini"]


def run(command, env, limit):
    """The last line of a process's output as JSON; or what went wrong."""
    start = time.perf_counter()
    try:
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {limit} s"}
    except OSError as e:
        return {"failed": str(e)}
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        lines = (done.stderr or done.stdout).strip().splitlines()
        return {"failed": f"exit code {done.returncode}: " + " ".join(lines[-8:])[-800:]}
    return {**found, "process_seconds": time.perf_counter() - start}


def agree(ours, peer, tolerance):
    """The largest relative difference of the losses; a text if they are no numbers or do not agree."""
    pairs = list(zip(ours["losses"], peer["losses"]))
    if not pairs or not all(isinstance(x, (int, float)) and math.isfinite(x) for p in pairs for x in p):
        return None, f"losses are no numbers: {ours['losses']} {peer['losses']}"
    worst = max(abs(a - b) / abs(b) for a, b in pairs)
    return worst, None if worst <= tolerance else f"losses differ by {worst:.2%}: {ours['losses']} {peer['losses']}"


def commands(a, model, row):
    _, bits, batch, tokens, again = row
    shape = ["--batch-size", batch, "--tokens", tokens, "--bits", bits, "--steps", a.steps, "--warmup", a.warmup]
    shape += ["--dtype", a.dtype, "--learning-rate", a.learning_rate, "--seed", a.seed]
    ours = [a.binary, "bench", "--json", "--model", f"synth:{model}", *shape]
    ours += ["--grad-checkpoint", a.policy or again, *a.bench]
    peer = [sys.executable, HERE / "peer.py", "--model", model, *shape, "--grad-checkpoint", again]
    ours += ["--fine-tune-type", a.fine_tune_type]
    peer += ["--fine-tune-type", a.fine_tune_type]
    torch = [sys.executable, HERE / "peer_torch.py", "--model", model, "--batch-size", batch, "--tokens", tokens]
    torch += ["--steps", a.steps, "--warmup", a.warmup, "--dtype", a.dtype, "--grad-checkpoint", again]
    torch += ["--compile"] if a.torch == "compiled" else []
    return [[str(x) for x in c] for c in (ours, peer, torch)]


def pairs(texts):
    return dict(t.split("=", 1) for t in texts)


def run_ours(a, command):
    if not a.cold:
        return run(command, pairs(a.env), a.timeout)
    with tempfile.TemporaryDirectory() as empty:
        return run(command, {**pairs(a.env), "MLX_PTX_CACHE_DIR": empty}, a.timeout)


def measure(a, model, row):
    name, bits, batch, tokens, again = row
    ours_command, peer_command, torch_command = commands(a, model, row)
    rounds = []
    for _ in range(a.rounds):
        ours = run_ours(a, ours_command)
        peer = {} if a.no_peer else run(peer_command, pairs(a.peer_env), a.timeout)
        rounds.append((ours, peer))
    failed = [(who, r[i]["failed"]) for r in rounds for i, who in enumerate(("ours", "mlx-lm")) if "failed" in r[i]]
    result = {"row": f"{model} {name}" if a.family else name, "model": model, "bits": bits, "batch_size": batch, "tokens": tokens, "grad_checkpoint": again}
    result |= {"commands": {"ours": ours_command, "peer": peer_command}}
    result["errors"] = [f"{who}: {text}" for who, text in failed]
    best = [min((r[i] for r in rounds if "median_ms" in r[i]), key=lambda x: x["median_ms"], default={}) for i in (0, 1)]
    result["ours"], result["peer"], result["torch"] = *best, {}
    if a.torch and bits == 16:
        result["commands"]["torch"] = torch_command
        result["torch"] = run(torch_command, {}, a.timeout)
        if "failed" in result["torch"]:
            result["errors"].append(f"PyTorch: {result['torch']['failed']}")
    if all(best):
        result["loss_difference"], wrong = agree(*best, a.tolerance)
        if wrong:
            result["errors"].append(wrong)
        result["speedup"] = best[1]["median_ms"] / best[0]["median_ms"]
        result["memory_ratio"] = best[0]["peak_bytes"] / best[1]["peak_bytes"]
    elif best[0] and not all(isinstance(x, float) and math.isfinite(x) for x in best[0]["losses"]):
        result["errors"].append(f"losses are no numbers: {best[0]['losses']}")
    return result


HEAD = ["row", "losses", "ms", "mlx-lm ms", "speed-up", "GB", "mlx-lm GB", "memory", "predicted", "of floor", "busy"]
HEAD += ["first s", "mlx-lm first", "torch ms", "torch GB"]


def cells(r):
    ours, peer, torch = r["ours"], r["peer"], r["torch"]

    def show(form, value):
        return "-" if value is None else form.format(value)

    predicted = ours["predicted_peak_bytes"] / ours["peak_bytes"] if ours else None
    difference = r.get("loss_difference")
    return [
        r["row"],
        "FAILED" if r["errors"] else show("{:.2%}", difference),
        show("{:.2f}", ours.get("median_ms")),
        show("{:.2f}", peer.get("median_ms")),
        show("{:.2f}x", r.get("speedup")),
        show("{:.2f}", ours and ours["peak_bytes"] / 2**30 or None),
        show("{:.2f}", peer and peer["peak_bytes"] / 2**30 or None),
        show("{:.2f}", r.get("memory_ratio")),
        show("{:.2f}", predicted),
        show("{:.0%}", ours.get("share_of_floor")),
        show("{:.0%}", ours.get("gpu_utilization")),
        *(show("{:.2f}", (side or {}).get("first_step_ms") and side["first_step_ms"] / 1e3) for side in (ours, peer)),
        show("{:.2f}", torch.get("median_ms")),
        show("{:.2f}", (torch.get("peak_bytes") or 0) / 2**30 or None),
    ]


def line(texts):
    return f"| {texts[0]:<21} | " + " | ".join(f"{t:>9}" for t in texts[1:]) + " |"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", default=HERE.parents[2] / "target/release/llama_lora")
    p.add_argument("--model", default="llama-3.1-8b", help="a name of configs/, or a config.json")
    p.add_argument("--family", nargs="+", metavar="MODEL", help="several models in turn: names as --model takes, or all")
    p.add_argument("--rows", nargs="+", metavar="ROW", help="names of rows (all; 4x512 with --family)")
    p.add_argument("--list", action="store_true", help="show the rows and end")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--rounds", type=int, default=1, help="measure each row so often, ours and theirs in turn; the fastest median counts")
    p.add_argument("--dtype", default="bfloat16")
    p.add_argument("--learning-rate", type=float, default=1e-5)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--tolerance", type=float, default=0.01, help="largest relative difference of the losses")
    p.add_argument("--fine-tune-type", choices=["lora", "full"], default="lora", help="full trains every tensor of all layers")
    p.add_argument("--policy", help="our --grad-checkpoint, instead of the row's")
    p.add_argument("--timeout", type=float, default=300, help="seconds that a process may take")
    p.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for ours; may be repeated")
    p.add_argument("--peer-env", action="append", default=[], metavar="NAME=VALUE", help="for mlx-lm; may be repeated")
    p.add_argument("--bench", action="append", default=[], metavar="ARGUMENT", help="one more argument of llama_lora bench, as --bench=--pipeline; may be repeated")
    p.add_argument("--cold", action="store_true", help="nothing is compiled before ours begins")
    p.add_argument("--no-peer", action="store_true", help="ours alone")
    p.add_argument("--torch", choices=["eager", "compiled"], help="PyTorch and PEFT too")
    p.add_argument("--out", type=pathlib.Path, help="folder for results.json and speed.svg")
    a = p.parse_args()
    models = FAMILIES if a.family == ["all"] else a.family or [a.model]
    if a.family and not a.rows:
        a.rows = ["4x512"]
    known = [r[0] for r in ROWS]
    unknown = [r for r in a.rows or [] if r not in known]
    if unknown:
        p.error(f"unknown row {unknown[0]!r}: expected one of {', '.join(known)}")
    rows = [r for r in ROWS if not a.rows or r[0] in a.rows]
    if a.list:
        for name, bits, batch, tokens, again in rows:
            print(f"{name}: {bits} bits, {batch} x {tokens} tokens, checkpoints {again}")
        return 0
    print(line(HEAD))
    print("|" + "|".join(["---"] + ["---:"] * (len(HEAD) - 1)) + "|", flush=True)
    results = []
    for model, row in ((m, r) for m in models for r in rows):
        results.append(measure(a, model, row))
        print(line(cells(results[-1])), flush=True)
        for error in results[-1]["errors"]:
            print(f"    {error}", file=sys.stderr, flush=True)
        if a.out:
            a.out.mkdir(parents=True, exist_ok=True)
            (a.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
            (a.out / "speed.svg").write_text(plot.svg(results, ", ".join(models)))
    first = next((r["ours"] for r in results if r["ours"]), {})
    print(f"{', '.join(models)}, {a.dtype}, {first.get('device', 'unknown device')}, MLX {first.get('mlx', '?')}; GB are 2^30 bytes")
    return 1 if any(r["errors"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
