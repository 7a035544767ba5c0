"""Logits of tiny models whose `config.json` is odd but legal, by mlx-lm.

    pip install mlx[cpu]==0.32.2 mlx-lm==0.32.2
    python dump_odd_configs.py

writes `odd_configs.json`: for each case the config, the tensors, and the logits of a text, or null where mlx-lm refuses
the folder. The weights are those of `write_safetensors` in `tests/common`.
"""

import json
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx_lm.utils import load_model

HERE = Path(__file__).parent
TOKENS = [1, 5, 9, 2, 7, 7, 30, 63]
DELETE = object()
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
LONG = {"short_factor": [1.0, 1.5, 2.0, 2.5], "long_factor": [2.0, 3.0, 4.0, 5.0]}
BITS = {"group_size": 32, "bits": 4}


def base(family):
    config = {
        "model_type": family, "architectures": ["AnyForCausalLM"], "hidden_size": 32, "num_hidden_layers": 2,
        "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 256, "tie_word_embeddings": False,
    }
    more = {
        "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 8, "tie_word_embeddings": True, "sliding_window": 64,
                   "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "hidden_activation": "gelu_pytorch_tanh"},
        "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 8, "tie_word_embeddings": True, "sliding_window": 64,
                        "sliding_window_pattern": 2, "rope_local_base_freq": 10000.0},
        "qwen3": {"head_dim": 8},
        "phi3": {"original_max_position_embeddings": 256},
    }
    return {**config, **more.get(family, {})}


def shapes(family, heads=4, kv=2, dim=8, bias=(), head=True):
    h, inner = 32, 48
    all = {"model.embed_tokens.weight": [64, h], "model.norm.weight": [h]}
    for i in range(2):
        at = f"model.layers.{i}."
        if family == "phi3":
            all[at + "self_attn.qkv_proj.weight"] = [(heads + 2 * kv) * dim, h]
            all[at + "mlp.gate_up_proj.weight"] = [2 * inner, h]
        else:
            for name, rows in (("q", heads * dim), ("k", kv * dim), ("v", kv * dim)):
                all[at + f"self_attn.{name}_proj.weight"] = [rows, h]
                if family == "qwen2" or name in bias:
                    all[at + f"self_attn.{name}_proj.bias"] = [rows]
            for name in ("gate", "up"):
                all[at + f"mlp.{name}_proj.weight"] = [inner, h]
                if name in bias:
                    all[at + f"mlp.{name}_proj.bias"] = [inner]
        all[at + "self_attn.o_proj.weight"] = [h, heads * dim]
        all[at + "mlp.down_proj.weight"] = [h, inner]
        for name, part in (("o", "self_attn.o_proj"), ("down", "mlp.down_proj")):
            if name in bias:
                all[at + part + ".bias"] = [h]
        norms = ["input_layernorm", "post_attention_layernorm"]
        if family.startswith("gemma"):
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in norms:
            all[at + name + ".weight"] = [h]
        if family in ("qwen3", "gemma3_text"):
            for name in ("q_norm", "k_norm"):
                all[at + f"self_attn.{name}.weight"] = [dim]
    if head:
        all["lm_head.weight"] = [64, h]
    return all


def odd():
    """Name, family, changes of the config, arguments of `shapes`, and the case whose numbers it must have, where mlx-lm
    does not do what transformers does (it takes the long factors of longrope for short texts, too); "(none)" where
    mlx-lm leaves out what the config asks for, so that an error is right."""
    attention, mlp = ("q", "k", "v", "o"), ("gate", "up", "down")
    yield "plain", "llama", {}, {}, None
    yield "theta as text", "llama", {"rope_theta": "10000.0"}, {}, None
    yield "theta as a whole number", "llama", {"rope_theta": 10000}, {}, "plain"
    yield "theta 500000", "llama", {"rope_theta": 500000.0}, {}, None
    yield "theta in rope_parameters", "llama", {"rope_theta": DELETE, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}, {}, "theta 500000"
    yield "theta missing", "llama", {"rope_theta": DELETE}, {}, "plain"
    yield "theta null", "llama", {"rope_theta": None}, {}, "plain"
    yield "head_dim null", "llama", {"head_dim": None}, {}, "plain"
    yield "head_dim 16", "llama", {"head_dim": 16}, {"dim": 16}, None
    yield "head_dim 16 of a file with 8", "llama", {"head_dim": 16}, {}, None
    yield "key heads missing", "llama", {"num_key_value_heads": DELETE}, {"kv": 4}, None
    yield "key heads null", "llama", {"num_key_value_heads": None}, {"kv": 4}, "key heads missing"
    yield "key heads missing, file has 2", "llama", {"num_key_value_heads": DELETE}, {}, None
    yield "key heads 3", "llama", {"num_key_value_heads": 3}, {"kv": 3}, None
    yield "key heads 0", "llama", {"num_key_value_heads": 0}, {}, None
    yield "tied", "llama", {"tie_word_embeddings": True}, {"head": False}, None
    yield "tied beside a head", "llama", {"tie_word_embeddings": True}, {}, None
    yield "untied without a head", "llama", {}, {"head": False}, None
    yield "tie missing beside a head", "llama", {"tie_word_embeddings": DELETE}, {}, "plain"
    yield "float16 as torch_dtype", "llama", {"torch_dtype": "float16"}, {}, "plain"
    yield "float16 as dtype", "llama", {"dtype": "float16"}, {}, "plain"
    yield "ends as a list", "llama", {"eos_token_id": [3, 4]}, {}, "plain"
    yield "scaling null", "llama", {"rope_scaling": None}, {}, "plain"
    yield "scaling empty", "llama", {"rope_scaling": {}}, {}, None
    yield "linear by type", "llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, {}, None
    yield "linear by rope_type", "llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, {}, "linear by type"
    yield "linear by both", "llama", {"rope_scaling": {"rope_type": "linear", "type": "linear", "factor": 2}}, {}, "linear by type"
    yield "linear without a factor", "llama", {"rope_scaling": {"type": "linear"}}, {}, None
    yield "default by rope_type", "llama", {"rope_scaling": {"rope_type": "default"}}, {}, "plain"
    yield "llama3", "llama", {"rope_scaling": {"rope_type": "llama3", **LLAMA3}}, {}, None
    yield "llama3 in rope_parameters", "llama", {"rope_theta": DELETE, "rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, **LLAMA3}}, {}, "llama3"
    yield "yarn", "llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}, {}, None
    yield "unknown scaling", "llama", {"rope_scaling": {"rope_type": "spiral", "factor": 4.0}}, {}, None
    yield "biases of attention", "llama", {"attention_bias": True}, {"bias": attention}, None
    yield "biases of attention not there", "llama", {"attention_bias": True}, {}, None
    yield "biases of attention not said", "llama", {}, {"bias": attention}, None
    yield "biases of the feed-forward part", "llama", {"mlp_bias": True}, {"bias": mlp}, None
    yield "biases of everything", "llama", {"mlp_bias": True, "attention_bias": True}, {"bias": attention + mlp}, None
    yield "vocabulary larger than the embedding", "llama", {"vocab_size": 65}, {}, None
    yield "vocabulary smaller than the embedding", "llama", {"vocab_size": 63}, {}, None
    yield "architectures missing", "llama", {"architectures": DELETE}, {}, "plain"
    yield "architectures of another", "llama", {"architectures": ["MistralForCausalLM"]}, {}, "plain"
    yield "eps as text", "llama", {"rms_norm_eps": "1e-05"}, {}, None
    yield "traditional rotation", "llama", {"rope_traditional": True}, {}, None
    yield "all layers full", "llama", {"layer_types": ["full_attention"] * 2}, {}, "plain"
    yield "a layer slides", "llama", {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}, {}, None
    yield "fewer layers than the file", "llama", {"num_hidden_layers": 1}, {}, None
    yield "more layers than the file", "llama", {"num_hidden_layers": 3}, {}, None
    yield "layers as a float", "llama", {"num_hidden_layers": 2.0}, {}, None
    yield "width as text", "llama", {"hidden_size": "32"}, {}, None
    yield "another activation", "llama", {"hidden_act": "gelu"}, {}, "(none)"
    yield "packing said, not done", "llama", {"quantization": BITS}, {}, "plain"
    yield "packing said twice", "llama", {"quantization": BITS, "quantization_config": BITS}, {}, "plain"
    yield "packing of another program", "llama", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, {}, "(none)"
    yield "half of it rotates", "llama", {"partial_rotary_factor": 0.5}, {}, "(none)"
    yield "keys that no one reads", "llama", {"pretraining_tp": 2, "use_cache": False, "attention_dropout": 0.0, "_name_or_path": "x"}, {}, "plain"
    yield "mistral", "mistral", {"sliding_window": None}, {}, "plain"
    yield "mistral, head_dim 16", "mistral", {"sliding_window": None, "head_dim": 16}, {"dim": 16}, "head_dim 16"
    yield "mistral, wide window", "mistral", {"sliding_window": 4096}, {}, "plain"
    yield "qwen2", "qwen2", {}, {}, None
    yield "qwen2, window not used", "qwen2", {"use_sliding_window": False, "sliding_window": 4, "max_window_layers": 1}, {}, "qwen2"
    yield "qwen2, window used", "qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}, {}, "(none)"
    yield "qwen2, tied", "qwen2", {"tie_word_embeddings": True}, {"head": False}, None
    yield "qwen2, layers listed", "qwen2", {"layer_types": ["full_attention"] * 2, "sliding_window": None}, {}, "qwen2"
    yield "qwen2, window used by no layer", "qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 2}, {}, "qwen2"
    yield "qwen3", "qwen3", {}, {}, None
    yield "qwen3, head_dim 16", "qwen3", {"head_dim": 16}, {"dim": 16}, None
    yield "qwen3, window not used", "qwen3", {"use_sliding_window": False, "sliding_window": 4, "max_window_layers": 1}, {}, "qwen3"
    yield "phi3", "phi3", {}, {}, None
    yield "phi3, scaling null", "phi3", {"rope_scaling": None}, {}, "phi3"
    yield "phi3, half rotates", "phi3", {"partial_rotary_factor": 0.5}, {}, None
    yield "phi3, longrope", "phi3", {"rope_scaling": {"type": "longrope", **LONG}, "max_position_embeddings": 1024}, {}, "phi3, short factors"
    yield "phi3, short factors", "phi3", {"rope_scaling": {"type": "longrope", **LONG, "long_factor": LONG["short_factor"]}, "max_position_embeddings": 1024}, {}, None
    yield "phi3, su", "phi3", {"rope_scaling": {"type": "su", **LONG}, "max_position_embeddings": 1024}, {}, "phi3, short factors"
    yield "phi3, tied", "phi3", {"tie_word_embeddings": True}, {"head": False}, None
    yield "gemma2", "gemma2", {}, {"head": False}, None
    yield "gemma2, no caps", "gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}, {"head": False}, None
    yield "gemma2, activation by its old name", "gemma2", {"hidden_activation": None, "hidden_act": "gelu_pytorch_tanh"}, {"head": False}, "gemma2"
    yield "gemma2, another activation", "gemma2", {"hidden_activation": "gelu"}, {"head": False}, "(none)"
    yield "gemma2, scalar missing", "gemma2", {"query_pre_attn_scalar": DELETE}, {"head": False}, "gemma2, scalar 256"
    yield "gemma2, scalar 256", "gemma2", {"query_pre_attn_scalar": 256}, {"head": False}, None
    yield "gemma3", "gemma3_text", {}, {"head": False}, None
    yield "gemma3, layers listed", "gemma3_text", {"sliding_window_pattern": DELETE, "layer_types": ["sliding_attention", "full_attention"]}, {"head": False}, "gemma3"
    yield "gemma3, tie missing", "gemma3_text", {"tie_word_embeddings": DELETE}, {"head": False}, "gemma3"
    yield "gemma3, caps null", "gemma3_text", {"attn_logit_softcapping": None, "final_logit_softcapping": None}, {"head": False}, "gemma3"
    yield "gemma3, scaled", "gemma3_text", {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, {"head": False}, None


def weights(tensors):
    """As `write_safetensors` in tests/common/mod.rs makes them with the seed 1."""
    state, out = 1, {}
    for name, shape in tensors.items():
        values = np.empty(int(np.prod(shape)), np.float32)
        for i in range(len(values)):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            uniform = np.float32(state >> 40) / np.float32(1 << 24) - np.float32(0.5)
            values[i] = 1.0 if len(shape) == 1 else uniform * np.float32(0.3)
        out[name] = mx.array(values.reshape(shape))
    return out


def logits(config, tensors):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        mx.save_safetensors(str(Path(folder) / "model.safetensors"), weights(tensors))
        try:
            model, _ = load_model(Path(folder), lazy=False, strict=True)
            out = model(mx.array([TOKENS]))[0].astype(mx.float32)
            mx.eval(out)
        except Exception as error:
            return None, f"{type(error).__name__}: {str(error)[:80]}"
        # Some of each place: two tensors that are swapped cannot give these.
        return [[float(f"{x:.6g}") for x in row[:5] + row[-2:]] for row in out.tolist()[1::3]], None


def main():
    mx.set_default_device(mx.cpu)
    cases = []
    for name, family, changes, args, same in odd():
        config = {**base(family), **changes}
        config = {k: v for k, v in config.items() if v is not DELETE}
        tensors = shapes(family, **args)
        found, error = logits(config, tensors)
        print(name, "-", error or found[0][:3], file=sys.stderr)
        cases.append({"name": name, "config": config, "family": family, "args": args, "tensors": list(tensors.items()), "same": same, "logits": found})
    seen = {}
    for case in cases:
        # Most share their tensors.
        key = case.pop("family") + json.dumps(case.pop("args"))
        case["tensors"] = case["tensors"] if seen.setdefault(key, case["name"]) == case["name"] else seen[key]
    (HERE / "odd_configs.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
