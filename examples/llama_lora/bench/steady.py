"""Checks that a long run on rows of mixed lengths uses constant memory: `llama_lora train` on a model of random weights.

    cargo build --release -p llama_lora
    python examples/llama_lora/bench/steady.py --model llama-3.2-1b

Writes rows of 2 to `--longest` characters (a token each for such a model), trains on them for `--iters` steps and shows the
memory that each report names. The exit code is 1 if the run fails, a loss is no number, or memory is more by `--allowed`
than in the first quarter of the steps: the median of what is in use in any later quarter (a report can fall into a step that
is in flight), or the most so far.
"""
import argparse
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LETTERS = "abcdefghijklmnopqrstuvwxyz      "


def rows(n, longest, seed):
    """Many short rows and few long ones."""
    draw = random.Random(seed)
    for _ in range(n):
        length = 2 + int(draw.random() ** 2 * (longest - 2))
        yield json.dumps({"text": "".join(draw.choices(LETTERS, k=length))}) + "\n"


def train(a, folder):
    """The exit code, and what was reported of training."""
    for name, n in (("train", a.rows), ("valid", 16)):
        (folder / f"{name}.jsonl").write_text("".join(rows(n, a.longest, f"{a.seed} {name}")))
    every = max(a.iters // a.reports, 1)
    command = [a.binary, "train", "--model", f"synth:{a.model}", "--data", folder, "--adapter-path", folder / "adapter"]
    # The special tokens of a row are not among its characters.
    command += ["--iters", a.iters, "--batch-size", a.batch_size, "--max-seq-length", a.longest + 8, "--num-layers", -1]
    command += ["--length-buckets", a.buckets, "--steps-per-report", every, "--steps-per-eval", a.iters, "--val-batches", 1]
    # A step that is saved is waited for: what is in use at its report is what stays.
    command += ["--save-every", every, "--seed", a.seed, *a.train]
    code = subprocess.run([str(x) for x in command], timeout=a.timeout).returncode
    metrics = folder / "adapter/metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return code, [r for r in map(json.loads, lines) if "train_loss" in r]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", default=HERE.parents[2] / "target/release/llama_lora")
    p.add_argument("--model", default="llama-3.2-1b", help="a name of configs/, or a config.json")
    p.add_argument("--iters", type=int, default=1000)
    p.add_argument("--batch-size", type=int, default=4)
    p.add_argument("--longest", type=int, default=1024, help="characters of the longest row")
    p.add_argument("--rows", type=int, help="rows to draw batches from (so many that the first quarter sees each twice)")
    p.add_argument("--buckets", type=int, default=8, help="most different widths of batches")
    p.add_argument("--reports", type=int, default=40, help="reports in all")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--allowed", type=float, default=0.02, help="the share that memory may grow after a quarter of the steps")
    p.add_argument("--timeout", type=float, default=3600, help="seconds that the run may take")
    p.add_argument("--train", action="append", default=[], metavar="ARGUMENT", help="one more argument of llama_lora train, as --train=--bits=4")
    a = p.parse_args()
    a.rows = a.rows or max(a.iters * a.batch_size // 8, a.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        code, reports = train(a, pathlib.Path(folder))
    print("| steps | loss | tokens/s | steps/s | GB in use | most GB | busy |")
    print("|" + "---:|" * 7)
    for r in reports:
        busy = f"{r['gpu_utilization']:.0%}" if r.get("gpu_utilization") is not None else "-"
        numbers = f"{r['train_loss']:.3f} | {r['tokens_per_second']:.0f} | {r['iterations_per_second']:.2f}"
        print(f"| {r['iteration']} | {numbers} | {r['active_memory']:.3f} | {r['peak_memory']:.3f} | {busy} |")
    quarters = [[] for _ in range(4)]
    for r in reports:
        quarters[min(4 * (r["iteration"] - 1) // a.iters, 3)].append(r)
    if code or not all(quarters):
        print(f"the run ended with exit code {code} after {len(reports)} reports")
        return 1
    if not all(math.isfinite(r["train_loss"]) for r in reports):
        print("a loss is not a number")
        return 1
    wrong = False
    for title, what, of in (("in use", "active_memory", statistics.median), ("most", "peak_memory", max)):
        before, *later = (of([r[what] for r in part]) for part in quarters)
        after = max(later)
        wrong = wrong or after > before * (1 + a.allowed)
        each = ", ".join(f"{x:.3f}" for x in (before, *later))
        print(f"{title}: {each} GB in the quarters, {after / before - 1:+.2%} at most")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
