"""Compares converted adapters with PEFT's own model. Run by hand; torch 2.15.0, transformers 5.24.0, peft 0.21.2.

    cargo build -p llama_lora
    VENV/bin/python examples/llama_lora/tests/adapter_files/check.py target/debug/llama_lora

A drawn Llama; adapters that PEFT makes (LoRA, rsLoRA, DoRA, of two ranks) are fused here and compared with PEFT's
logits, and an adapter that is trained here is converted and compared with the folder that `fuse` writes.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

binary, root = Path(sys.argv[1]).resolve(), Path(tempfile.mkdtemp())


def run(*args):
    done = subprocess.run([binary, *map(str, args)], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def load(folder):
    return AutoModelForCausalLM.from_pretrained(root / folder, dtype=torch.float32).eval()


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([[1, 5, 100, 7, 30, 65]])).logits


def compare(name, a, b, base):
    difference, effect = (a - b).abs().max().item(), (a - base).abs().max().item()
    print(f"{name:24} differs by {difference:.2e}, the adapter's effect is {effect:.2e}")
    assert difference < 1e-4 * max(effect, 1) and effect > 1e-2


run("synth", "--config", "tiny", "--dtype", "float32", "--out", "model")
base = logits(load("model"))
torch.manual_seed(0)
for name, more in {
    "lora": {}, "rslora": {"use_rslora": True}, "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"down_proj": 3}},
}.items():
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM", **more)
    model = get_peft_model(load("model"), config)
    for n, p in model.named_parameters():
        if "lora_B" in n:
            torch.nn.init.normal_(p, std=0.1)
        elif "magnitude" in n:
            p.data *= 1.1
    model.save_pretrained(root / f"peft-{name}")
    wanted = logits(model.eval())
    run("fuse", "--model", "model", "--adapter-path", f"peft-{name}", "--save-path", f"fused-{name}")
    compare(f"PEFT's {name}, fused", logits(load(f"fused-{name}")), wanted, base)
    run("adapter", "convert", f"peft-{name}", "--to", "mlx", "--save-path", f"mlx-{name}")
    run("adapter", "convert", f"mlx-{name}", "--to", "peft", "--save-path", f"back-{name}")
    compare(f"{name}, there and back", logits(PeftModel.from_pretrained(load("model"), root / f"back-{name}").eval()), wanted, base)

(root / "data").mkdir()
for split, rows in {"train": 12, "valid": 4}.items():
    lines = [json.dumps({"prompt": f"{i}?", "completion": "x" * (i % 4 + 1)}) for i in range(rows)]
    (root / "data" / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
run("train", "--model", "model", "--data", "data", "--iters", "20", "--batch-size", "2", "--learning-rate", "1e-2", "--num-layers", "2")
run("fuse")
run("adapter", "convert", "adapters", "--to", "peft", "--save-path", "converted")
model = PeftModel.from_pretrained(load("model"), root / "converted").eval()
compare("trained here, in PEFT", logits(model), logits(load("fused_model")), base)
