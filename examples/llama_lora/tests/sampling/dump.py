"""Dumps mlx-lm's filters of likely tokens and its penalty for repetition, for src/sample.rs. mlx 0.32.2, mlx-lm 0.32.2.

    python examples/llama_lora/tests/sampling/dump.py
"""

import json
from pathlib import Path

import mlx.core as mx
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, make_repetition_penalty

mx.random.seed(3)
cases = []
for top_p, min_p, keep, top_k, penalty in [
    (0.8, 0.0, 1, 0, 1.0), (1.0, 0.2, 1, 0, 1.0), (1.0, 0.9, 3, 0, 1.0), (1.0, 0.0, 1, 3, 1.0),
    (0.9, 0.1, 1, 4, 1.0), (0.95, 0.05, 2, 6, 1.5), (1.0, 0.0, 1, 0, 0.7),
]:
    logits, before = mx.random.normal((1, 10)) * 2, [9, 1, 2, 2, 7, 0]
    x = mx.array(logits)
    if penalty != 1.0:
        x = make_repetition_penalty(penalty, 4)(mx.array(before), x)
    penalised = x.tolist()[0]
    x = x - mx.logsumexp(x, keepdims=True)
    if top_p < 1:
        x = apply_top_p(x, top_p)
    if min_p:
        x = apply_min_p(x, min_p, keep)
    if top_k:
        x = apply_top_k(x, top_k)
    cases.append({
        "logits": logits.tolist()[0], "before": before, "top_p": top_p, "min_p": min_p, "min_tokens_to_keep": keep,
        "top_k": top_k, "penalty": penalty, "penalised": penalised, "probabilities": mx.softmax(x / 0.7).tolist()[0],
    })
(Path(__file__).parent / "dump.json").write_text(json.dumps(cases) + "\n")
