"""Each family with tiny random weights, through mlx-lm's own model classes.

    python examples/models/tests/dump.py examples/models/tests/data [case ..]

Writes <case>.safetensors: the config, every weight under its name in a Hugging Face checkpoint, tokens, logits, the
weighted loss and its gradient with respect to every weight; then the same of LoRA adapters. Every switch of a family is on in one of its cases, sizes
are odd where they may be, sequences are longer than a window, norms are not one. mlx 0.32.2, mlx-lm 0.32.2; seconds.
`dump_vision.py` does the same for the families that mlx-lm does not have.
"""

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "parity"))

import reference as ref  # first: it sets MLX's environment, and the CPU
import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models.base import create_attention_mask, create_causal_mask
from mlx_lm.models.switch_layers import SwitchLinear
from mlx_lm.tuner.utils import linear_to_lora_layers

ROWS, WIDTH = 2, 13

BASE = dict(
    ref.SIZES,
    hidden_size=20,
    intermediate_size=28,
    num_attention_heads=6,
    head_dim=8,
    vocab_size=53,
    rms_norm_eps=1e-5,
    max_position_embeddings=256,
)
# Where the head size is hidden_size / num_attention_heads.
EVEN = {**BASE, "hidden_size": 48}
EVEN.pop("head_dim")
GEMMA2 = dict(
    model_type="gemma2",
    num_hidden_layers=4,
    attn_logit_softcapping=2.0,
    final_logit_softcapping=3.0,
    query_pre_attn_scalar=11,
    sliding_window=5,
    tie_word_embeddings=True,
    hidden_activation="gelu_pytorch_tanh",
)
GEMMA3 = dict(
    model_type="gemma3_text",
    num_hidden_layers=6,
    rope_theta=1000000.0,
    rope_local_base_freq=10000.0,
    query_pre_attn_scalar=11,
    sliding_window=5,
    sliding_window_pattern=3,
    hidden_activation="gelu_pytorch_tanh",
)
QWEN3_MOE = dict(
    model_type="qwen3_moe",
    num_hidden_layers=4,
    num_experts=5,
    num_experts_per_tok=2,
    moe_intermediate_size=12,
    decoder_sparse_step=2,
    mlp_only_layers=[],
)
GPT_OSS = dict(
    model_type="gpt_oss",
    rope_theta=150000.0,
    sliding_window=5,
    num_local_experts=5,
    num_experts_per_tok=2,
    intermediate_size=12,
    swiglu_alpha=1.702,
    # About as large as the numbers are.
    swiglu_limit=0.75,
    rope_scaling={
        "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32, "beta_fast": 32.0, "beta_slow": 1.0
    },
)
DEEPSEEK = dict(
    model_type="deepseek_v2",
    q_lora_rank=14,
    kv_lora_rank=10,
    qk_nope_head_dim=6,
    qk_rope_head_dim=8,
    v_head_dim=5,
    n_routed_experts=5,
    n_shared_experts=2,
    num_experts_per_tok=2,
    moe_intermediate_size=7,
    first_k_dense_replace=1,
    routed_scaling_factor=1.5,
    attention_bias=True,
    rope_scaling={
        "type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32, "beta_fast": 32.0, "beta_slow": 1.0,
        "mscale": 0.7, "mscale_all_dim": 1.3,
    },
)
MAMBA2 = dict(
    model_type="mamba2",
    hidden_size=20,
    num_hidden_layers=2,
    num_heads=6,
    head_dim=4,
    n_groups=2,
    state_size=7,
    conv_kernel=4,
    vocab_size=53,
    layer_norm_epsilon=1e-5,
    # Some tokens take less time, some more.
    time_step_limit=(0.4, 1.1),
    time_step_least=0.4,
    time_step_most=1.1,
    # Sizes that mlx-lm asks for and does not read.
    intermediate_size=24,
    time_step_rank="auto",
)
QWEN3_NEXT = dict(
    model_type="qwen3_next",
    num_hidden_layers=4,
    full_attention_interval=2,
    partial_rotary_factor=0.5,
    rotary_dims=4,
    linear_num_value_heads=4,
    linear_num_key_heads=2,
    linear_key_head_dim=6,
    linear_value_head_dim=5,
    linear_conv_kernel_dim=4,
    num_experts=5,
    num_experts_per_tok=2,
    decoder_sparse_step=2,
    mlp_only_layers=[],
    moe_intermediate_size=9,
    shared_expert_intermediate_size=11,
    norm_topk_prob=True,
    rope_theta=10000.0,
    tie_word_embeddings=False,
)
DEEPSEEK_V3 = dict(
    model_type="deepseek_v3",
    num_hidden_layers=3,
    q_lora_rank=11,
    kv_lora_rank=9,
    qk_rope_head_dim=4,
    qk_nope_head_dim=5,
    v_head_dim=7,
    moe_intermediate_size=9,
    n_shared_experts=2,
    n_routed_experts=8,
    n_group=4,
    topk_group=2,
    num_experts_per_tok=3,
    routed_scaling_factor=1.7,
    first_k_dense_replace=1,
    norm_topk_prob=True,
    rope_theta=10000.0,
)
# Qwen 3 Next's checkpoints hold these less one.
FROM_ONE = ("layernorm.weight", "model.norm.weight", "q_norm.weight", "k_norm.weight")
CASES = {
    "llama": {
        **BASE,
        "model_type": "llama",
        "head_dim": 16,
        "rope_theta": 500000.0,
        "rope_scaling": ref.LLAMA3,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "llama_tied": {**BASE, "model_type": "llama", "tie_word_embeddings": True},
    "mistral": {**BASE, "model_type": "mistral", "sliding_window": 5},
    "qwen2": {**EVEN, "model_type": "qwen2", "rope_theta": 1000000.0},
    "qwen2_tied": {**EVEN, "model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": {**BASE, "model_type": "qwen3", "rope_theta": 1000000.0},
    "qwen3_tied": {**BASE, "model_type": "qwen3", "tie_word_embeddings": True},
    "qwen3moe": {**BASE, **QWEN3_MOE, "norm_topk_prob": True},
    "qwen3moe_plain": {**BASE, **QWEN3_MOE, "norm_topk_prob": False},
    "gemma2": {**BASE, **GEMMA2},
    "gemma3": {**BASE, **GEMMA3},
    "gemma3_tied": {**BASE, **GEMMA3, "tie_word_embeddings": True},
    "phi3": {**EVEN, "model_type": "phi3"},
    "phi3_window": {**EVEN, "model_type": "phi3", "sliding_window": 5},
    "phi3_long": {
        **EVEN,
        "model_type": "phi3",
        "partial_rotary_factor": 0.75,
        # Shorter than the rows: mlx-lm takes the long factors for every text, transformers for longer ones than this.
        "original_max_position_embeddings": 8,
        "rope_scaling": {"type": "longrope", "long_factor": [1.1, 2.5, 4.0], "short_factor": [1.0, 1.0, 1.0]},
    },
    "gpt2": dict(
        model_type="gpt2",
        n_embd=24,
        n_layer=2,
        n_head=3,
        n_positions=32,
        n_ctx=32,
        layer_norm_epsilon=1e-5,
        vocab_size=53,
    ),
    "olmo2": {**BASE, "model_type": "olmo2", "attention_bias": True, "rope_theta": 500000.0},
    "olmo2_tied": {**BASE, "model_type": "olmo2", "tie_word_embeddings": True},
    "gptoss": {**BASE, **GPT_OSS},
    "deepseek": {**BASE, **DEEPSEEK},
    # Without the factor, mlx-lm builds no model; 1 stretches nothing.
    "deepseek_plain": {
        **BASE, **DEEPSEEK, "q_lora_rank": None, "attention_bias": False, "rope_scaling": {"type": "yarn", "factor": 1.0}
    },
    "mamba2_biases": {**MAMBA2, "use_bias": True, "use_conv_bias": True, "tie_word_embeddings": False},
    "mamba2_tied": {**MAMBA2, "use_bias": False, "use_conv_bias": False, "tie_word_embeddings": True},
    "deepseekv3_groups": {**BASE, **DEEPSEEK_V3},
    "qwen3next_plain": {**BASE, **QWEN3_NEXT},
    "qwen3next_tied": {**BASE, **QWEN3_NEXT, "tie_word_embeddings": True, "norm_topk_prob": False},
    "mixtral": {
        **EVEN,
        "model_type": "mixtral",
        "intermediate_size": 12,
        "num_local_experts": 5,
        "num_experts_per_tok": 2,
    },
}


# The names of an expert's matrices.
EXPERTS = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
QWEN_EXPERTS = {name: name for name in EXPERTS}


def gemma2_windows(self, inputs, cache=None):
    """Gemma 2 with a window in every other layer, as published; mlx-lm's own forward has none."""
    h = self.embed_tokens(inputs) * (self.args.hidden_size**0.5)
    masks = [create_causal_mask(h.shape[1], window_size=GEMMA2["sliding_window"]), create_causal_mask(h.shape[1])]
    for i, layer in enumerate(self.layers):
        h = layer(h, masks[i % 2])
    return self.norm(h)


def build(config):
    """mlx-lm's model of that config."""
    kind = {"mistral": "llama"}.get(config["model_type"], config["model_type"])
    module = importlib.import_module("mlx_lm.models." + kind)
    model = module.Model(module.ModelArgs.from_dict(config))
    if config["model_type"] == "mistral":
        # mlx-lm has the window in its Llama, but turns it on for other model types only.
        for layer in model.layers:
            layer.use_sliding = True
        model.model.swa_idx = 0
    if config["model_type"] == "phi3":
        # Published with a window, which mlx-lm leaves out.
        window = config.get("sliding_window")
        module.create_attention_mask = lambda h, cache: create_attention_mask(h, cache, window_size=window)
    if config["model_type"] == "gpt_oss":
        # mlx-lm has the published numbers as constants.
        for layer in model.layers:
            activation = layer.mlp.experts.activation
            activation._alpha, activation._limit = config["swiglu_alpha"], config["swiglu_limit"]
    if config["model_type"] == "gemma2":
        type(model.model).__call__ = gemma2_windows
    if config["model_type"] == "gemma3_text" and config["tie_word_embeddings"]:
        # A checkpoint without lm_head is how mlx-lm knows that it is tied.
        model.sanitize({})
        model.sanitize = lambda weights: weights
    return model


def random_weight(name, shape, gemma):
    """Matrices of variance 1/inputs; norms about 1 (Gemma's about 0, which stores them so), biases about 0."""
    if len(shape) > 1:
        return mx.random.normal(shape) / shape[-1] ** 0.5
    norm = ("norm" in name or "ln_" in name) and name.endswith("weight")
    return mx.random.uniform(-0.4, 0.4, shape) + (1.0 if norm and not gemma else 0.0)


def published(config, name, array):
    """A tensor of mlx-lm's model as the family's checkpoints hold it: [(name, array)]."""
    if config["model_type"] == "gpt2":
        name = name.removeprefix("model.")
        stored = array.T if array.ndim == 2 and name.startswith("h.") else array
        return [(name, stored)]
    if config["model_type"] == "qwen3_next":
        if name.endswith("conv1d.weight"):
            return [(name, array.swapaxes(1, 2))]
        if name.endswith(FROM_ONE):
            return [(name, array - 1.0)]
    if "switch_mlp" in name:
        for part, w in experts(config).items():
            name = name.replace(f"switch_mlp.{part}", f"experts.{{}}.{w}")
        return [(name.format(e), a) for e, a in enumerate(array)]
    return [(name, array)]


def experts(config):
    return EXPERTS if config["model_type"] == "mixtral" else QWEN_EXPERTS


def loss(model, tokens, targets, weights):
    nll = nn.losses.cross_entropy(model(tokens), targets)
    return (weights * nll).sum() / weights.sum()


def dump(folder, case, config):
    mx.random.seed(sum(case.encode()))
    model = build(config)
    prefix = "model." if config["model_type"] == "gpt2" else ""
    gemma = config["model_type"].startswith("gemma")
    ours = {n: random_weight(n, a.shape, gemma) for n, a in tree_flatten(model.parameters())}
    if config["model_type"] == "qwen3_next":
        # The numbers are the same with one taken off and put back.
        ours = {n: mx.round(256 * a) / 256 if n.endswith(FROM_ONE) else a for n, a in ours.items()}
    stored = dict(pair for n, a in ours.items() for pair in published(config, n, a))
    again = model.sanitize(dict(stored)) if hasattr(model, "sanitize") else stored
    assert again.keys() == ours.keys() and all(mx.array_equal(again[n], a) for n, a in ours.items()), case
    model.load_weights(list(ours.items()))
    batch = mx.random.randint(0, config["vocab_size"], (ROWS, WIDTH + 1)).astype(mx.int32)
    tokens, targets = batch[:, :-1], batch[:, 1:]
    # Some targets do not count, others count by a part.
    weights = mx.maximum(mx.random.uniform(-0.5, 1.0, tokens.shape), 0)
    value, grads = nn.value_and_grad(model, loss)(model, tokens, targets, weights)
    out = {"weight." + n: a for n, a in stored.items()}
    # The bias that balances experts is no part of the loss's graph.
    grads = [(n, g) for n, g in tree_flatten(grads) if not n.endswith("e_score_correction_bias")]
    out |= {"grad." + n.removeprefix(prefix): g for n, g in grads}
    out |= {"tokens": tokens, "targets": targets, "weights": weights, "loss": value, "logits": model(tokens)}
    facts = {"config": json.dumps(config)}
    if "_" not in case:
        # The same with an adapter at each linear map of the blocks, and at each stack of them.
        linear = (nn.Linear, SwitchLinear)
        keys = {n for layer in model.layers for n, m in layer.named_modules() if isinstance(m, linear)}
        keys = sorted(keys)
        lora = {"rank": 3, "scale": 2.0, "dropout": 0.0, "keys": keys}
        model.freeze()
        linear_to_lora_layers(model, len(model.layers), lora)
        adapters = [(n, mx.random.uniform(-0.3, 0.3, a.shape)) for n, a in tree_flatten(model.trainable_parameters())]
        model.load_weights(adapters, strict=False)
        out["adapted.loss"], grads = nn.value_and_grad(model, loss)(model, tokens, targets, weights)
        out |= {"adapter." + n.removeprefix(prefix): a for n, a in adapters}
        out |= {"adapted.grad." + n.removeprefix(prefix): g for n, g in tree_flatten(grads)}
        facts["keys"] = json.dumps(keys)
    out = {n: mx.contiguous(a) for n, a in out.items()}
    mx.save_safetensors(str(folder / f"{case}.safetensors"), out, facts)


if __name__ == "__main__":
    for case in sys.argv[2:] or CASES:
        dump(Path(sys.argv[1]), case, CASES[case])
