"""Ways to train, measured by whole runs of `llama_lora train` on random weights: packing beside length buckets on rows of a
real length distribution (log-normal, mean 300 of at most 2,048 tokens), and a DPO step beside an SFT step of the same tokens.

    cargo build --release -p llama_lora
    python examples/llama_lora/bench/ways.py --model llama-3.1-8b            # two to three minutes on one H100

Speed is real tokens a second, from the last reports of metrics.jsonl; padding does not count. `compare.py --fine-tune-type full
--model llama-3.2-1b --rows 4x2048-again` measures full fine-tuning beside mlx-lm.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]


def text(length, rng):
    return "".join(rng.choice("abcdefgh ") for _ in range(max(length, 1)))


def write(folder, rows):
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def train(a, place, name, data, *more):
    """Mean speed after the first report, and what was reported last."""
    out = place / name
    command = [a.binary, "train", "--model", f"synth:{a.model}", "--data", data, "--adapter-path", out]
    command += ["--steps-per-report", 5, "--save-every", 10**6, "--val-batches", 0, "--num-layers", -1, *more]
    command += ["--lora-keys", "self_attn.q_proj,self_attn.k_proj,self_attn.v_proj,self_attn.o_proj"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=a.limit)
    if done.returncode:
        return {"failed": done.stderr.strip()[-800:]}
    reports = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    # The first steps compile kernels and plan shapes.
    timed = reports[len(reports) // 3 :] or reports
    seconds = sum(5 / r["iterations_per_second"] for r in timed)
    tokens = sum(5 / r["iterations_per_second"] * r["tokens_per_second"] for r in timed)
    return {
        "tokens_per_second": tokens / seconds,
        "ms": 1e3 * seconds / (5 * len(timed)),
        "peak_gb": max(r["peak_memory"] for r in reports),
        "loss": reports[-1]["train_loss"],
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="llama-3.1-8b")
    p.add_argument("--binary", default=ROOT / "target/release/llama_lora")
    p.add_argument("--longest", type=int, default=2048)
    p.add_argument("--mean", type=int, default=300)
    p.add_argument("--iters", type=int, default=30)
    p.add_argument("--only", choices=["packing", "dpo"])
    p.add_argument("--limit", type=int, default=150, help="seconds for a run")
    a = p.parse_args()
    rng = random.Random(0)
    # Log-normal with a standard deviation of 0.9: many short rows, a long tail.
    lengths = [min(a.longest - 2, int(rng.lognormvariate(0, 0.9) * a.mean / 1.5)) for _ in range(4000)]
    out = {"model": a.model, "mean_tokens": sum(lengths) / len(lengths)}
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        os.environ["LLAMA_LORA_CACHE"] = str(place / "cache")
        if a.only != "dpo":
            data = write(place / "lengths", [{"text": text(n, rng)} for n in lengths])
            common = ["--max-seq-length", a.longest]
            # Batches of about the same number of real tokens.
            buckets = max(1, 4 * a.longest // a.mean)
            out["buckets"] = train(a, place, "buckets", data, *common, "--batch-size", buckets, "--iters", a.iters)
            out["buckets_of_4"] = train(a, place, "few", data, *common, "--batch-size", 4, "--iters", 2 * a.iters)
            out["packing"] = train(a, place, "packed", data, *common, "--batch-size", 4, "--iters", a.iters, "--packing")
            if "failed" not in out["buckets"] and "failed" not in out["packing"]:
                ratio = out["packing"]["tokens_per_second"] / out["buckets"]["tokens_per_second"]
                out["packing_over_buckets"] = ratio
            if "failed" not in out["buckets_of_4"] and "failed" not in out["packing"]:
                # With the same --batch-size.
                few = out["buckets_of_4"]["tokens_per_second"]
                out["packing_over_buckets_of_4"] = out["packing"]["tokens_per_second"] / few
        if a.only != "packing":
            half, rows = 512, 4
            single = [{"text": text(half, rng)} for _ in range(64)]
            pairs = [{"prompt": "q", "chosen": text(half - 40, rng), "rejected": text(half - 40, rng)} for _ in range(64)]
            common = ["--max-seq-length", half + 2, "--iters", a.iters]
            # As many rows go through the model in a step of each.
            out["sft"] = train(a, place, "sft", write(place / "single", single), *common, "--batch-size", 2 * rows)
            out["dpo"] = train(a, place, "dpo", write(place / "pairs", pairs), *common, "--batch-size", rows, "--loss", "dpo")
            if "failed" not in out["sft"] and "failed" not in out["dpo"]:
                out["dpo_over_sft"] = out["dpo"]["ms"] / out["sft"]["ms"]
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
