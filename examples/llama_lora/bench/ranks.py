"""Compares one GPU with two and four that train together, in one run on one machine.

    python examples/llama_lora/bench/ranks.py path/to/llama_lora            # Llama 8B, 4 x 512 a rank
    python examples/llama_lora/bench/ranks.py path/to/llama_lora --ranks 1 2
    python examples/llama_lora/bench/ranks.py target/debug/llama_lora --tiny  # on a CPU

First it checks that the losses of n ranks are those of one process with the whole batch: of a tiny model in float32 to
1e-5, and of the model itself (where one GPU holds the whole batch) to 2e-2. Then it times steps of the same rows a rank
(weak scaling), and prints speed-up, memory a rank, and the time of the reduction alone. Each step has a timeout; what is
there is printed at once. The environment goes to the binary as it is. Exit code 1: a check failed or a step did not end.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TINY = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "max_position_embeddings": 2048,
}


class Failed(Exception):
    pass


def bench(a, n, model, rows, tokens, steps, warmup, seconds, more=()):
    """The report of `bench` on n ranks."""
    one = ["bench", "--model", model, "--batch-size", str(rows), "--tokens", str(tokens), "--steps", str(steps),
           "--warmup", str(warmup), "--json", *more]
    command = [a.binary, *one] if n == 1 else [a.binary, "launch", "-n", str(n), "--timeout", "45", "--", *one]
    env = dict(os.environ)
    if n == 1 and not a.tiny:
        # One GPU sees one GPU, as each rank does.
        env["CUDA_VISIBLE_DEVICES"] = env.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    left = min(seconds, a.end - time.monotonic())
    if left < 5:
        raise Failed("no time is left")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                             start_new_session=True)
    try:
        out, err = child.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        raise Failed(f"not done after {left:.0f} s: {err.strip()[-600:]}")
    if child.returncode:
        raise Failed(f"exit code {child.returncode}: {err.strip()[-600:]}")
    return json.loads(out.strip().splitlines()[-1])


def say(text):
    print(f"{time.monotonic() - START:6.1f} s  {text}", flush=True)


def same(name, one, many, bound):
    worst = max(abs(x - y) / abs(x) for x, y in zip(one["losses"], many["losses"]))
    right = len(one["losses"]) == len(many["losses"]) and worst <= bound
    say(f"{'right' if right else 'WRONG'}  {name}: losses differ by {worst:.1e} at most (bound {bound:.0e})")
    return right


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("--ranks", type=int, nargs="+", default=None, help="numbers of ranks [default: 1 2, and 4 with 4 GPUs]")
    p.add_argument("--model", default="synth:llama-3.1-8b")
    p.add_argument("--rows", type=int, default=4, help="rows a rank")
    p.add_argument("--tokens", type=int, default=512)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--seconds", type=float, default=230, help="for all")
    p.add_argument("--tiny", action="store_true", help="a tiny model, on a CPU")
    p.add_argument("--json", help="write the figures to this file")
    a = p.parse_args()
    a.binary = str(Path(a.binary).resolve())
    a.end = START + a.seconds
    if a.ranks is None:
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        gpus = len(gpus.split(",")) if gpus else len([d for d in os.listdir("/dev") if d[:6] == "nvidia" and d[6:].isdigit()])
        a.ranks = [1, 2, 4] if gpus >= 4 or a.tiny else [1, 2]
    many = [n for n in a.ranks if n > 1]
    folder = tempfile.TemporaryDirectory()
    tiny = Path(folder.name) / "tiny.json"
    tiny.write_text(json.dumps(TINY))
    right, figures = True, []

    whole = max(many) * 2
    small = dict(model=f"synth:{tiny}", rows=whole, tokens=64, steps=6, warmup=2, seconds=60)
    exact = ("--dtype", "float32", "--learning-rate", "1e-3")
    env = {"MLX_ENABLE_TF32": "0"}
    os.environ.update(env)
    one = bench(a, 1, more=exact, **small)
    say(f"tiny model, 1 process: losses {one['losses'][0]:.5f} .. {one['losses'][-1]:.5f}")
    for n in many:
        try:
            right &= same(f"tiny model on {n} ranks, float32", one, bench(a, n, more=exact, **small), 1e-5)
        except Failed as error:
            right = False
            say(f"WRONG  tiny model on {n} ranks: {error}")
    for name in env:
        del os.environ[name]
    if a.tiny:
        a.model, a.rows, a.tokens, a.steps = f"synth:{tiny}", 2, 64, 5

    base = None
    for n in a.ranks:
        try:
            got = bench(a, n, a.model, a.rows * n, a.tokens, a.steps, 3, 100)
        except Failed as error:
            right = False
            say(f"WRONG  {n} ranks: {error}")
            continue
        got["n"] = n
        figures.append(got)
        ranks = got.get("ranks") or {"peak_bytes": [got["peak_bytes"]], "reduced_bytes": 0, "reduce_ms": 0.0}
        if n == 1:
            base = got
        factor = base and got["tokens_per_second"] / base["tokens_per_second"]
        peaks = " ".join(f"{b / 1e9:.2f}" for b in ranks["peak_bytes"])
        say(f"{n} x {a.rows} x {a.tokens}: {got['median_ms']:.2f} ms a step, {got['tokens_per_second']:.0f} tokens/s"
            + (f", {factor:.3f} x one" if factor else "")
            + f"; GB a rank {peaks}; {ranks['reduced_bytes'] / 1e6:.2f} MB reduced, alone {ranks['reduce_ms']:.3f} ms"
            + f"; {got['device']}, first loss {got['losses'][0]:.5f}")

    # One GPU with the whole batch of two ranks, which checkpoints fit if need be.
    if not a.tiny and 2 in many:
        pair = next((f for f in figures if f["n"] == 2), None)
        try:
            whole = bench(a, 1, a.model, a.rows * 2, a.tokens, 4, 2, 60)
            if pair:
                pair["losses"] = pair["losses"][: len(whole["losses"])]
                right &= same(f"{a.model} on 2 ranks", whole, pair, 2e-2)
        except Failed as error:
            say(f"left out  {a.model} with the batch of 2 ranks on one GPU: {error}")
    if a.json:
        Path(a.json).write_text(json.dumps(figures, indent=1))
    say("every check is right" if right else "NOT right")
    return 0 if right else 1


START = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
