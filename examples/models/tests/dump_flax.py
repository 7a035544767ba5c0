"""BERT, T5, Whisper and CLIP with tiny random weights, through the Flax models of transformers.

    pip install "transformers==4.49.0" "jax[cpu]==0.4.38" "flax==0.10.2"
    python examples/models/tests/dump_flax.py examples/models/tests/data [case ..]

Writes <case>.safetensors as `dump.py` does: the config, every weight under its name in a checkpoint of PyTorch, a
batch with padding, logits, the weighted loss and its gradient with respect to every weight. mlx-lm has no such models,
and later versions of transformers compute with PyTorch alone. Seconds.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save_file
from transformers import (
    BertConfig,
    CLIPConfig,
    FlaxBertForMaskedLM,
    FlaxCLIPModel,
    FlaxT5ForConditionalGeneration,
    FlaxWhisperForConditionalGeneration,
    T5Config,
    WhisperConfig,
)
from transformers.models.t5.modeling_flax_t5 import FlaxT5Attention

BERT = dict(
    vocab_size=53,
    hidden_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=28,
    max_position_embeddings=17,
    type_vocab_size=2,
    layer_norm_eps=1e-6,
)
T5 = dict(
    vocab_size=53,
    d_model=20,
    d_kv=6,
    d_ff=28,
    num_layers=2,
    num_decoder_layers=3,
    num_heads=4,
    # Texts are longer than the distances that have buckets of their own, and than the largest.
    relative_attention_num_buckets=8,
    relative_attention_max_distance=10,
    layer_norm_epsilon=1e-6,
)
WHISPER = dict(
    vocab_size=53,
    d_model=20,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=5,
    encoder_ffn_dim=28,
    decoder_ffn_dim=24,
    num_mel_bins=6,
    max_source_positions=9,
    max_target_positions=17,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=1,
    begin_suppress_tokens=None,
    suppress_tokens=None,
)
CLIP_TEXT = dict(
    hidden_size=20,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=4,
    layer_norm_eps=1e-5,
    vocab_size=53,
    max_position_embeddings=16,
    eos_token_id=2,
)
CLIP_VISION = dict(
    hidden_size=24,
    intermediate_size=30,
    num_hidden_layers=3,
    num_attention_heads=3,
    layer_norm_eps=1e-6,
    image_size=12,
    patch_size=4,
)
CLIP = dict(projection_dim=18, text_config=CLIP_TEXT, vision_config=CLIP_VISION)
CASES = {
    "whisper": (FlaxWhisperForConditionalGeneration, WhisperConfig, WHISPER),
    "clip": (FlaxCLIPModel, CLIPConfig, CLIP),
    "bert": (FlaxBertForMaskedLM, BertConfig, BERT),
    "t5": (
        FlaxT5ForConditionalGeneration,
        T5Config,
        {**T5, "feed_forward_proj": "gated-gelu", "is_gated_act": True, "tie_word_embeddings": False},
    ),
    "t5_tied": (
        FlaxT5ForConditionalGeneration,
        T5Config,
        {**T5, "feed_forward_proj": "relu", "is_gated_act": False, "tie_word_embeddings": True},
    ),
}
NAMES = {"kernel": "weight", "scale": "weight", "embedding": "weight"}


# The axes of Flax's kernels `[kernel.., in, out]` in PyTorch's checkpoints, `[out, in, kernel..]`, and in MLX, `[out, kernel.., in]`.
PYTORCH = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
MLX = {2: (1, 0), 3: (2, 0, 1), 4: (3, 0, 1, 2)}


# Names that a gradient has in `parameters()`: a layer that is stored in another layout keeps its field's.
FIELDS = {
    "model.encoder.conv1.": "conv1.",
    "model.encoder.conv2.": "conv2.",
    "vision_model.embeddings.patch_embedding.": "vision_model.patch_embedding.",
}


def renamed(name):
    found = [(old, new) for old, new in FIELDS.items() if name.startswith(old)]
    return name.replace(*found[0]) if found else name


def published(path, array, axes):
    """A parameter of Flax as PyTorch's checkpoints hold it: its name, and matrices as `[out, in]`."""
    *folders, last = path
    name = ".".join([*folders, NAMES.get(last, last)])
    array = np.asarray(array)
    return name, array.transpose(axes[array.ndim]).copy() if last == "kernel" else array


def random_weight(random, path, shape):
    """Matrices of variance 1/inputs; norms about 1, biases about 0."""
    if len(shape) > 1:
        inputs = np.prod(shape[:-1]) if path[-1] == "kernel" else shape[-1]
        return random.normal(size=shape).astype(np.float32) / np.float32(inputs**0.5)
    norm = path[-1] == "scale" or path[-1] == "weight"
    return random.uniform(-0.4, 0.4, shape).astype(np.float32) + np.float32(norm)


def batch(random, case, vocab):
    """The model's inputs, by their names in the dump and in Flax."""
    tokens = lambda length: random.integers(0, vocab, (3, length)).astype(np.int32)
    mask = np.arange(13) < np.array([[13], [9], [4]])
    inputs = {"tokens": ("input_ids", tokens(13)), "mask": ("attention_mask", mask)}
    if case == "bert":
        return inputs | {"types": ("token_type_ids", random.integers(0, 2, (3, 13)).astype(np.int32))}
    if case == "clip":
        images = random.normal(size=(3, 12, 12, 3)).astype(np.float32)
        return {"tokens": ("input_ids", tokens(13)), "images": ("pixel_values", images)}
    if case == "whisper":
        sounds = random.normal(size=(3, 6, 18)).astype(np.float32)
        return {"sounds": ("input_features", sounds), "answers": ("decoder_input_ids", tokens(11))}
    return inputs | {"answers": ("decoder_input_ids", tokens(11))}


def dump(folder, case):
    kind, config_type, config = CASES[case]
    random = np.random.default_rng(sum(case.encode()))
    given = {"input_shape": (1, 6, 18)} if case == "whisper" else {}
    model = kind(config_type(**config), seed=0, **given)
    shapes = flatten_dict(model.params)
    params = {path: random_weight(random, path, a.shape) for path, a in shapes.items()}
    inputs = batch(random, case, 53)
    whole = lambda a: jnp.asarray(a).astype(jnp.float32 if a.dtype == np.float32 else jnp.int32)
    given = {theirs: whole(a) for theirs, a in inputs.values()}
    if case == "clip":
        # PyTorch's axes; Flax takes these and turns them.
        given["pixel_values"] = given["pixel_values"].transpose(0, 3, 1, 2)

    def logits(params):
        out = model(**given, params=unflatten_dict(params), train=False)
        return out.logits_per_text if case == "clip" else out.logits

    shape = logits(params).shape[:-1]
    targets = random.integers(0, 53, shape).astype(np.int32)
    # Some targets do not count, others count by a part.
    weights = np.maximum(random.uniform(-0.5, 1.0, shape), 0).astype(np.float32)

    def pairs(params):
        each = [jax.nn.log_softmax(a) for a in (logits(params), logits(params).T)]
        return -sum(jnp.diagonal(a).mean() for a in each) / 2

    def loss(params):
        if case == "clip":
            return pairs(params)
        each = jax.nn.log_softmax(logits(params))
        nll = -jnp.take_along_axis(each, targets[..., None], axis=-1)[..., 0]
        return (weights * nll).sum() / weights.sum()

    value, grads = jax.value_and_grad(loss)(params)
    out = {name: a for name, (_, a) in inputs.items()}
    out |= {"targets": targets, "weights": weights}
    out |= {"loss": np.asarray(value), "logits": np.asarray(logits(params))}
    for part, tensors, axes in [("weight", params, PYTORCH), ("grad", grads, MLX)]:
        # The places of sounds are sines, which are not trained.
        frozen = lambda path: part == "grad" and path[1:3] == ("encoder", "embed_positions")
        tensors = {path: a for path, a in tensors.items() if not frozen(path)}
        named = dict(published(path, a, axes) for path, a in tensors.items())
        out |= {f"{part}.{renamed(n) if part == 'grad' else n}": a for n, a in named.items()}
    if case == "t5":
        # The published numbers of buckets: keys so far before the query, in the encoder and in the decoder.
        out["distances"] = np.arange(150, dtype=np.float32)[None]
        for name, both in [("encoder", True), ("decoder", False)]:
            bucket = FlaxT5Attention._relative_position_bucket(-jnp.arange(150)[None], both, 32, 128)
            out["buckets." + name] = np.asarray(bucket).astype(np.float32)
    save_file(out, str(folder / f"{case}.safetensors"), {"config": json.dumps(config)})


if __name__ == "__main__":
    for case in sys.argv[2:] or CASES:
        dump(Path(sys.argv[1]), case)
