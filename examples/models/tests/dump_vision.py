"""The vision families with tiny random weights, made of MLX's own layers.

    python examples/models/tests/dump_vision.py examples/models/tests/data

Writes vit.safetensors and convnext.safetensors as `dump.py` does. mlx-lm has no such models: the layers here are those
of mlx.nn, put together as in the papers (Dosovitskiy et al. 2020; Liu et al. 2022, the isotropic form), with the names
of Hugging Face's and of the authors' checkpoints. Convolutions have MLX's layout, [out, height, width, in].
"""

import json
import os
import sys
from pathlib import Path

os.environ["MLX_DISABLE_COMPILE"] = "1"

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten

mx.set_default_device(mx.cpu)

VIT = dict(
    hidden_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=28,
    image_size=12,
    patch_size=4,
    num_channels=3,
    num_labels=7,
    layer_norm_eps=1e-6,
)
CONVNEXT = dict(dim=10, depth=2, image_size=12, patch_size=3, num_channels=3, num_labels=7)


class VitBlock(nn.Module):
    """The encoder's layer: MLX's, of which dropout and the order of the norms are arguments."""

    def __init__(self, c):
        super().__init__()
        dims, eps = c["hidden_size"], c["layer_norm_eps"]
        self.attention = nn.MultiHeadAttention(dims, c["num_attention_heads"], bias=True)
        self.ln1, self.ln2 = nn.LayerNorm(dims, eps=eps), nn.LayerNorm(dims, eps=eps)
        self.linear1 = nn.Linear(dims, c["intermediate_size"])
        self.linear2 = nn.Linear(c["intermediate_size"], dims)

    def __call__(self, x):
        y = self.ln1(x)
        x = x + self.attention(y, y, y)
        return x + self.linear2(nn.gelu(self.linear1(self.ln2(x))))


class Vit(nn.Module):
    def __init__(self, c):
        super().__init__()
        dims, side = c["hidden_size"], c["image_size"] // c["patch_size"]
        self.projection = nn.Conv2d(c["num_channels"], dims, c["patch_size"], stride=c["patch_size"])
        self.cls_token = mx.zeros((1, 1, dims))
        self.position_embeddings = mx.zeros((1, side * side + 1, dims))
        self.layers = [VitBlock(c) for _ in range(c["num_hidden_layers"])]
        self.layernorm = nn.LayerNorm(dims, eps=c["layer_norm_eps"])
        self.classifier = nn.Linear(dims, c["num_labels"])

    def __call__(self, x):
        x = self.projection(x).flatten(1, 2)
        first = mx.broadcast_to(self.cls_token, (x.shape[0], 1, x.shape[2]))
        x = mx.concatenate([first, x], axis=1) + self.position_embeddings
        for layer in self.layers:
            x = layer(x)
        return self.classifier(self.layernorm(x)[:, 0])


VIT_NAMES = {
    "projection": "vit.embeddings.patch_embeddings.projection",
    "cls_token": "vit.embeddings.cls_token",
    "position_embeddings": "vit.embeddings.position_embeddings",
    "layernorm": "vit.layernorm",
    "attention.query_proj": "attention.attention.query",
    "attention.key_proj": "attention.attention.key",
    "attention.value_proj": "attention.attention.value",
    "attention.out_proj": "attention.output.dense",
    "ln1": "layernorm_before",
    "ln2": "layernorm_after",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
}


class ConvNextBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.gamma = mx.ones(dim)

    def __call__(self, x):
        y = self.pwconv1(self.norm(self.dwconv(x)))
        return x + self.gamma * self.pwconv2(nn.gelu(y))


class ConvNext(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.stem = nn.Conv2d(c["num_channels"], c["dim"], c["patch_size"], stride=c["patch_size"])
        self.blocks = [ConvNextBlock(c["dim"]) for _ in range(c["depth"])]
        self.norm = nn.LayerNorm(c["dim"], eps=1e-6)
        self.head = nn.Linear(c["dim"], c["num_labels"])

    def __call__(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x.mean((1, 2))))


def vit_name(name):
    layer = ""
    if name.startswith("layers."):
        _, i, name = name.split(".", 2)
        layer = f"vit.encoder.layer.{i}."
    for ours, theirs in VIT_NAMES.items():
        if name == ours or name.startswith(ours + "."):
            return layer + theirs + name[len(ours) :]
    return layer + name


def random_weight(name, shape):
    """Filters and matrices of variance 1/inputs; norms and layer scales about 1, biases about 0."""
    if len(shape) > 1 and "cls_token" not in name and "position" not in name:
        return mx.random.normal(shape) / (shape[-1] * (49 if len(shape) == 4 and shape[-1] == 1 else 1)) ** 0.5
    scale = name.endswith("gamma") or (name.endswith("weight") and len(shape) == 1)
    return mx.random.uniform(-0.4, 0.4, shape) + (1.0 if scale else 0.0)


def dump(folder, case, model, config, rename):
    mx.random.seed(sum(case.encode()))
    ours = [(n, random_weight(n, a.shape)) for n, a in tree_flatten(model.parameters())]
    model.update(tree_unflatten(ours))
    images = mx.random.normal((3, config["image_size"], config["image_size"], config["num_channels"]))
    labels = mx.random.randint(0, config["num_labels"], (3,)).astype(mx.int32)

    def loss(model):
        return nn.losses.cross_entropy(model(images), labels, reduction="mean")

    value, grads = nn.value_and_grad(model, loss)(model)
    out = {"images": images, "labels": labels, "loss": value, "logits": model(images)}
    out |= {"weight." + rename(n): a for n, a in ours}
    out |= {"grad." + rename(n): g for n, g in tree_flatten(grads)}
    out = {n: mx.contiguous(a) for n, a in out.items()}
    mx.save_safetensors(str(folder / f"{case}.safetensors"), out, {"config": json.dumps(config)})


if __name__ == "__main__":
    to = Path(sys.argv[1])
    dump(to, "vit", Vit(VIT), VIT, vit_name)
    dump(to, "convnext", ConvNext(CONVNEXT), CONVNEXT, lambda name: name)
