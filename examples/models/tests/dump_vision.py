"""The vision families with tiny random weights, made of MLX's own layers.

    python examples/models/tests/dump_vision.py examples/models/tests/data

Writes vit.safetensors, convnext.safetensors, dit.safetensors and unet.safetensors as `dump.py` does. mlx-lm has no such models: the
layers here are those of mlx.nn, put together as in the papers (Dosovitskiy et al. 2020; Liu et al. 2022, the isotropic
form; Peebles and Xie 2023, as in the authors' code), with the names of Hugging Face's and of the authors' checkpoints.
Convolutions have MLX's layout, [out, height, width, in].
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
DIT = dict(
    input_size=6,
    patch_size=2,
    in_channels=3,
    hidden_size=16,
    depth=2,
    num_heads=4,
    num_classes=5,
    frequency_embedding_size=10,
)


UNET = dict(side=8, colors=3, width=4, groups=2, inputs=0, outputs=0)


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


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


class DitBlock(nn.Module):
    def __init__(self, dims, heads):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(dims, affine=False, eps=1e-6) for _ in range(2))
        self.attn = nn.MultiHeadAttention(dims, heads, bias=True)
        self.fc1, self.fc2 = nn.Linear(dims, 4 * dims), nn.Linear(4 * dims, dims)
        self.modulation = nn.Linear(dims, 6 * dims)

    def __call__(self, x, c):
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = mx.split(self.modulation(nn.silu(c)), 6, axis=1)
        y = modulate(self.norm1(x), shift_msa, scale_msa)
        x = x + gate_msa[:, None] * self.attn(y, y, y)
        y = modulate(self.norm2(x), shift_mlp, scale_mlp)
        return x + gate_mlp[:, None] * self.fc2(nn.gelu_approx(self.fc1(y)))


class Dit(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        dims, patch, frequencies = c["hidden_size"], c["patch_size"], c["frequency_embedding_size"]
        self.patches = nn.Conv2d(c["in_channels"], dims, patch, stride=patch)
        self.pos_embed = mx.zeros((1, (c["input_size"] // patch) ** 2, dims))
        self.time_in, self.time_out = nn.Linear(frequencies, dims), nn.Linear(dims, dims)
        self.classes = nn.Embedding(c["num_classes"] + 1, dims)
        self.blocks = [DitBlock(dims, c["num_heads"]) for _ in range(c["depth"])]
        self.norm = nn.LayerNorm(dims, affine=False, eps=1e-6)
        self.linear = nn.Linear(dims, patch * patch * 2 * c["in_channels"])
        self.modulation = nn.Linear(dims, 2 * dims)
        # Fixed in the paper.
        self.freeze(keys="pos_embed", recurse=False)

    def __call__(self, x, times, classes):
        c = self.config
        # MLX's encoding, with the periods of the paper: from 1 to a step before 10000.
        half = c["frequency_embedding_size"] // 2
        encode = nn.SinusoidalPositionalEncoding(
            2 * half, min_freq=10000 ** (1 / half - 1), max_freq=1, scale=1.0, cos_first=True
        )
        condition = self.time_out(nn.silu(self.time_in(encode(times)))) + self.classes(classes)
        x = self.patches(x).flatten(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x, condition)
        shift, scale = mx.split(self.modulation(nn.silu(condition)), 2, axis=1)
        x = self.linear(modulate(self.norm(x), shift, scale))
        side, patch = c["input_size"] // c["patch_size"], c["patch_size"]
        x = mx.einsum("nhwpqc->nhpwqc", x.reshape(-1, side, side, patch, patch, 2 * c["in_channels"]))
        return x.reshape(-1, side * patch, side * patch, 2 * c["in_channels"])


class Part(nn.Module):
    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(groups, outputs, pytorch_compatible=True)

    def __call__(self, x):
        return nn.silu(self.norm(self.conv(x)))


class Unet(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, groups = c["width"], c["groups"]
        self.first, self.down = Part(c["colors"], width, groups), Part(width, 2 * width, groups)
        self.middle = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=groups)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2, bias=False)
        self.left, self.last = Part(3 * width, width, groups), Part(2 * width, width, groups)
        self.norm = nn.BatchNorm(width)
        self.head = nn.Conv2d(width, c["colors"], 1)

    def __call__(self, x, key):
        a = self.first(x)
        b = self.down(nn.MaxPool2d(2)(a))
        c = nn.gelu(self.middle(nn.AvgPool2d(2)(b)))
        # MLX's dropout, with a key.
        c = (1 / 0.75) * mx.random.bernoulli(0.75, c.shape, key) * c
        c = self.left(mx.concatenate([self.up(c), b], -1))
        c = self.last(mx.concatenate([nn.Upsample(2, "nearest")(c), a], -1))
        return self.head(self.norm(c))


def unet_tensors(tensors):
    return {n.replace("up.weight", "up") if n == "up.weight" else n: a for n, a in tensors.items()}


DIT_NAMES = {
    "patches": "x_embedder.proj",
    "time_in": "t_embedder.mlp.0",
    "time_out": "t_embedder.mlp.2",
    "classes": "y_embedder.embedding_table",
    "linear": "final_layer.linear",
    "modulation": "final_layer.adaLN_modulation.1",
}
DIT_BLOCK_NAMES = {"fc1": "mlp.fc1", "fc2": "mlp.fc2", "attn.out_proj": "attn.proj", "modulation": "adaLN_modulation.1"}
QKV = ("query", "key", "value")


def dit_tensors(tensors):
    """Tensors of `Dit` as the authors' checkpoints hold them: queries, keys and values are joined."""
    out = {}
    for name, a in tensors.items():
        names, folder = DIT_NAMES, ""
        if name.startswith("blocks."):
            blocks, i, name = name.split(".", 2)
            names, folder = DIT_BLOCK_NAMES, f"{blocks}.{i}."
        if name.startswith("attn.query"):
            parts = [tensors[folder + name.replace("query", part)] for part in QKV]
            a, name = mx.concatenate(parts), name.replace("query_proj", "qkv")
        if name.startswith(("attn.key", "attn.value")):
            continue
        path, _, kind = name.rpartition(".")
        out[folder + (f"{names[path]}.{kind}" if path in names else name)] = a
    return out


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
    if name.endswith("running_var"):
        return mx.random.uniform(0.5, 2.0, shape)
    scale = name.endswith("gamma") or (name.endswith("weight") and len(shape) == 1)
    return mx.random.uniform(-0.4, 0.4, shape) + (1.0 if scale else 0.0)


def classified(config):
    """Pictures with labels, and the loss of a classifier."""
    images = mx.random.normal((3, config["image_size"], config["image_size"], config["num_channels"]))
    labels = mx.random.randint(0, config["num_labels"], (3,)).astype(mx.int32)

    def run(model):
        logits = model(images)
        return nn.losses.cross_entropy(logits, labels, reduction="mean"), logits

    return {"images": images, "labels": labels}, "logits", run


def noised(config):
    """Pictures with noise, and the loss of a model that guesses it."""
    shape = (3, config["input_size"], config["input_size"], config["in_channels"])
    images, noise = mx.random.normal(shape), mx.random.normal(shape)
    times = mx.array([0.0, 3.0, 999.0])
    classes = mx.array([0, config["num_classes"], 2])

    def run(model):
        guess = model(images, times, classes)
        return nn.losses.mse_loss(mx.split(guess, 2, axis=-1)[0], noise), guess

    return {"images": images, "times": times, "classes": classes, "noise": noise}, "guess", run


def denoised(config):
    """Pictures with noise, and the loss of a U-Net that guesses it, by its norm's statistics so far."""
    shape = (3, config["side"], config["side"], config["colors"])
    images, noise, key = mx.random.normal(shape), mx.random.normal(shape), mx.random.key(5)

    def run(model):
        model.norm.eval()
        guess = model(images, key)
        return nn.losses.mse_loss(guess, noise), guess

    # The norm by the statistics of a batch.
    norm = nn.BatchNorm(config["width"], momentum=0.3)
    given = mx.random.normal((3, 4, 4, config["width"]))
    norm.running_mean, norm.running_var = mx.random.normal((4,)), mx.random.uniform(0.5, 2.0, (4,))
    before = {"norm.running_mean": norm.running_mean, "norm.running_var": norm.running_var}
    norm.weight, norm.bias = mx.random.normal((4,)), mx.random.normal((4,))
    before |= {"norm.weight": norm.weight, "norm.bias": norm.bias, "norm.given": given, "norm.y": norm(given)}
    before |= {"norm.mean": norm.running_mean, "norm.var": norm.running_var}
    return {"images": images, "noise": noise, "key": key} | before, "guess", run


def dump(folder, case, model, config, rename, batch):
    mx.random.seed(sum(case.encode()))
    ours = {n: random_weight(n, a.shape) for n, a in tree_flatten(model.parameters())}
    model.update(tree_unflatten(list(ours.items())))
    out, name, run = batch(config)
    value, grads = nn.value_and_grad(model, lambda model: run(model)[0])(model)
    out |= {"loss": value, name: run(model)[1]}
    out |= {"weight." + n: a for n, a in rename(ours).items()}
    out |= {"grad." + n: g for n, g in rename(dict(tree_flatten(grads))).items()}
    out = {n: mx.contiguous(a) for n, a in out.items()}
    mx.save_safetensors(str(folder / f"{case}.safetensors"), out, {"config": json.dumps(config)})


if __name__ == "__main__":
    to = Path(sys.argv[1])
    vit_tensors = lambda tensors: {vit_name(n): a for n, a in tensors.items()}
    dump(to, "vit", Vit(VIT), VIT, vit_tensors, classified)
    dump(to, "convnext", ConvNext(CONVNEXT), CONVNEXT, dict, classified)
    dump(to, "dit", Dit(DIT), DIT, dit_tensors, noised)
    dump(to, "unet", Unet(UNET), UNET, unet_tensors, denoised)
