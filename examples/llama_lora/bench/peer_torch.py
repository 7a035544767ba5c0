"""PyTorch's and PEFT's LoRA step on the shapes of `llama_lora bench`: time and memory, as one line of JSON.

    python peer_torch.py --model llama-3.1-8b --batch-size 4 --tokens 512 [--grad-checkpoint always] [--compile]

Weights, adapter and batch are PyTorch's own random ones, so its losses are not ours. Attention is PyTorch's
scaled_dot_product_attention, Adam its fused one.
"""
import argparse
import json
import pathlib
import statistics
import time

import peft
import torch
import transformers

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs"


def build(a):
    path = pathlib.Path(a.model)
    path = path if path.is_file() else CONFIGS / f"{a.model}.json"
    config = transformers.LlamaConfig(**{**json.loads(path.read_text()), "attn_implementation": "sdpa", "use_cache": False})
    torch.set_default_dtype(getattr(torch, a.dtype))
    with torch.device(a.device):
        model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    keys = ["q_proj", "k_proj", "v_proj", "o_proj"]
    # A scale of 20, as mlx-lm's.
    lora = peft.LoraConfig(r=8, lora_alpha=160, lora_dropout=0.0, target_modules=keys, task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, lora)
    if a.grad_checkpoint == "always":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train(), config


def measure(a):
    torch.manual_seed(a.seed)
    model, config = build(a)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=a.learning_rate, fused=True)
    batch = torch.randint(0, config.vocab_size, (a.batch_size, a.tokens), device=a.device)
    forward = torch.compile(model) if a.compile else model
    cuda = a.device == "cuda"

    def step():
        loss = forward(input_ids=batch, labels=batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    ms, losses = [], []
    for i in range(a.warmup + a.steps):
        if cuda and i == a.warmup:
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        # Reading the loss waits for the forward pass only; the step ends when the device is done.
        loss = step()
        if cuda:
            torch.cuda.synchronize()
        ms.append((time.perf_counter() - start) * 1e3)
        losses.append(loss.item())
    timed = ms[a.warmup :]
    median = statistics.median_high(timed)
    return {
        "model": a.model,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "compiled": a.compile,
        "median_ms": median,
        "min_ms": min(timed),
        "first_step_ms": ms[0],
        "steps_per_second": 1e3 / median,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "losses": losses[:10],
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, help="a name of configs/, or a config.json")
    p.add_argument("--batch-size", type=int, default=4)
    p.add_argument("--tokens", type=int, default=512)
    p.add_argument("--grad-checkpoint", choices=["never", "always"], default="never")
    p.add_argument("--dtype", default="bfloat16")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--compile", action="store_true", help="torch.compile, a minute or more")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--learning-rate", type=float, default=1e-5)
    p.add_argument("--seed", type=int, default=0)
    print(json.dumps(measure(p.parse_args())), flush=True)


if __name__ == "__main__":
    main()
