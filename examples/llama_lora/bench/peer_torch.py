"""PyTorch's and PEFT's LoRA step on the shapes of `llama_lora bench`: time and memory, as one line of JSON.

    python peer_torch.py --model llama-3.1-8b --batch-size 4 --tokens 512 [--grad-checkpoint always] [--compile]

Weights, adapter and batch are PyTorch's own random ones, so its losses are not ours. Attention is PyTorch's
scaled_dot_product_attention, Adam its fused one.
"""
import argparse
import json
import time

import peft
import torch
import transformers

from step import add_arguments, figures, read_config


def build(a):
    config = transformers.LlamaConfig(**{**read_config(a.model), "attn_implementation": "sdpa", "use_cache": False})
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
        loss = step()
        # A step ends when the device is done.
        if cuda:
            torch.cuda.synchronize()
        ms.append((time.perf_counter() - start) * 1e3)
        losses.append(loss.item())
    return {
        **figures(a, ms, losses),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "compiled": a.compile,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--compile", action="store_true", help="torch.compile, a minute or more")
    print(json.dumps(measure(p.parse_args())), flush=True)


if __name__ == "__main__":
    main()
