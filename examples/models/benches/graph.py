"""Builds the graph of the same Llama with mlx-lm; prints microseconds of the fastest round.

Called by the benchmark where MLX_PYTHON names an interpreter that has mlx-lm.
"""

import gc
import json
import math
import tempfile
import time

import mlx.core as mx
from mlx_lm.models.llama import Model, ModelArgs


def main():
    model = Model(
        ModelArgs(
            model_type="llama",
            hidden_size=64,
            num_hidden_layers=24,
            intermediate_size=128,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            vocab_size=128,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
        )
    )
    tokens = mx.ones((1, 8), mx.int32)
    mx.eval(model.parameters(), tokens)
    with tempfile.NamedTemporaryFile("w+") as f:
        mx.export_to_dot(f.name, model(tokens))
        nodes = f.read().count("shape=rectangle")
    gc.disable()
    fastest = math.inf
    for _ in range(300):
        start = time.perf_counter_ns()
        h = model(tokens)
        del h
        fastest = min(fastest, time.perf_counter_ns() - start)
    print(json.dumps({"forward": fastest / 1000, "nodes": nodes}))


main()
