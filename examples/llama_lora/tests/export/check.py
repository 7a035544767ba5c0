"""Runs the GGUF files that tests/export.rs writes in llama.cpp, beside mlx-lm on the folder that each was written from.

    LLAMA_LORA_KEEP=/tmp/kept cargo test -p llama_lora --test export
    VENV/bin/python examples/llama_lora/tests/export/check.py /tmp/kept --llama-cpp OTHER/bin/python --torch THIRD/bin/python

VENV has mlx 0.32.2, mlx-lm 0.32.2 and transformers 5.24.0, OTHER xllamacpp 2026.10.11549 (llama.cpp's server as a
module), THIRD torch 2.15.0 and transformers 5.24.0. The folder may hold others that `fuse` wrote, as NAME-TYPE/*.gguf
beside config.json. For each folder but phi3's, transformers has mlx-lm's log-probabilities and greedy tokens. For each file: the first token's five likeliest tokens (log-probabilities within the bound of the type), the
tokens of a text, and twelve tokens of greedy text for float32. Writes verified.json with the checksums of the files.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

PROMPTS = ["the other world", "hello the water", "lot ö the, 12"]
# Largest difference of a log-probability.
BOUNDS = {"f32": 2e-2, "f16": 2e-2, "bf16": 0.15, "q8_0": 0.15, "q4_0": 4.0, "q4_1": 4.0}


def llama_cpp(files):
    """The answers of llama.cpp, in a process that has it."""
    import xllamacpp as x

    for file in files:
        p = x.CommonParams()
        # No longer than the text that phi3 was made for first: its short factors count, as in transformers.
        p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.n_gpu_layers, p.fit_params = file, 256, 1, False, 0, False
        p.cpuparams.n_threads = 1
        server, answers = x.Server(p), []
        for prompt in PROMPTS:
            r = server.handle_completions({
                "prompt": prompt, "max_tokens": 12, "temperature": 0, "logprobs": 5, "cache_prompt": False,
            })
            r = json.loads(r) if isinstance(r, str) else r
            first = r["choices"][0]["logprobs"]["content"]
            answers.append({
                "top": {t["id"]: t["logprob"] for t in first[0]["top_logprobs"]},
                "greedy": [t["id"] for t in first], "prompt": r["usage"]["prompt_tokens"],
            })
        print("ANSWER", json.dumps({"file": file, "answers": answers}), flush=True)
        del server


def transformers(folders):
    """The answers of transformers with PyTorch, in a process that has them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for folder in folders:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        answers = []
        for prompt in PROMPTS:
            ids = torch.tensor([tokenizer(prompt)["input_ids"]])
            with torch.no_grad():
                top = torch.log_softmax(model(ids).logits[0, -1], -1).tolist()
                tokens = ids
                for _ in range(12):
                    tokens = torch.cat([tokens, model(tokens).logits[:, -1:].argmax(-1)], 1)
            answers.append({"top": top, "greedy": tokens[0, ids.shape[1]:].tolist(), "prompt": ids.shape[1]})
        print("ANSWER", json.dumps({"file": folder, "answers": answers}), flush=True)


def answers_of(command):
    out = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in out.stdout.splitlines() if line.startswith("ANSWER ")]
    found = {a["file"]: a["answers"] for a in (json.loads(line[7:]) for line in lines)}
    missing = [f for f in command[3:] if f not in found]
    if missing:
        sys.exit(f"no answer for {missing}:\n{out.stderr[-3000:]}")
    return found


def mlx_lm(folder):
    import mlx.core as mx
    from mlx_lm.utils import load
    from transformers import AutoTokenizer

    model, _ = load(str(folder))
    tokenizer, answers = AutoTokenizer.from_pretrained(folder), []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        count, tokens, top = len(ids), list(ids), None
        for _ in range(12):
            logits = model(mx.array([tokens]))[0, -1].astype(mx.float32)
            logits = (logits - mx.logsumexp(logits)).tolist()
            top = top or logits
            tokens.append(max(range(len(logits)), key=logits.__getitem__))
        answers.append({"top": top, "greedy": tokens[count:], "prompt": count})
    return answers


def main():
    args = argparse.ArgumentParser()
    args.add_argument("root", type=Path)
    args.add_argument("--llama-cpp", default=sys.executable)
    args.add_argument("--torch", default=sys.executable)
    args = args.parse_args()
    files = sorted(args.root.glob("*-*/*.gguf"))
    found = answers_of([args.llama_cpp, __file__, "--llama-cpp-worker", *map(str, files)])
    families = sorted({f.parent.name.rsplit("-", 1)[0] for f in files})
    folders = {family: str(next(f.parent for f in files if f.parent.name.startswith(family + "-"))) for family in families}
    torch = answers_of([args.torch, __file__, "--torch-worker", *folders.values()])
    # mlx-lm rotates with the long factors whatever the length.
    wanted = {family: torch[f] if family == "phi3" else mlx_lm(f) for family, f in folders.items()}
    verified, failed = {}, []
    for file in files:
        family, kind = file.parent.name.rsplit("-", 1)
        worst = 0.0
        compared = 0
        for a, b in zip(found[str(file)], wanted[family]):
            # llama.cpp leaves out tokens that end within a character; the first one then has no number here.
            if a["greedy"][:1] == b["greedy"][:1] or kind.startswith("q4"):
                worst = max([worst, *(abs(p - b["top"][int(i)]) for i, p in a["top"].items())])
                compared += 1
            if a["prompt"] != b["prompt"]:
                failed.append(f"{file}: {a['prompt']} tokens of prompt, expected {b['prompt']}")
            rest = iter(b["greedy"])
            if kind == "f32" and not (a["greedy"] and all(token in rest for token in a["greedy"])):
                failed.append(f"{file}: {a['greedy']}, expected {b['greedy']}")
        if not (compared and worst <= BOUNDS[kind]) or math.isnan(worst):
            failed.append(f"{file}: log-probabilities differ by {worst}")
        print(f"{family:12} {kind:5} {worst:.5f}")
        verified[f"{family} {kind}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    for family, folder in folders.items():
        for a, b in zip(torch[folder], wanted[family]):
            worst = max(abs(x - y) for x, y in zip(a["top"], b["top"]))
            print(f"{family:12} transformers {worst:.6f}")
            if worst > 2e-2 or a["greedy"] != b["greedy"] or a["prompt"] != b["prompt"]:
                failed.append(f"{folder}: transformers {a['greedy']} ({worst}), mlx-lm {b['greedy']}")
    if failed:
        sys.exit("\n".join(failed))
    (Path(__file__).parent / "verified.json").write_text(json.dumps(verified, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    workers = {"--llama-cpp-worker": llama_cpp, "--torch-worker": transformers}
    if sys.argv[1] in workers:
        workers[sys.argv[1]](sys.argv[2:])
    else:
        main()
