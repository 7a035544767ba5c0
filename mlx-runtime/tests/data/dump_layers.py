"""Layers, activations, pooling and losses of `mlx.nn`: outputs and gradients. MLX 0.32.2.

    python mlx-runtime/tests/data/dump_layers.py mlx-runtime/tests/data/layers.safetensors

Keys are `<case>/w/<tensor>`, `<case>/x<i>`, `<case>/y`, and of the sum of y * by: `<case>/by`, `<case>/g/<tensor>` and
`<case>/gx`. Buffers after the call are `<case>/after/<tensor>`.
"""

import os
import sys

os.environ["MLX_DISABLE_COMPILE"] = "1"

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

mx.set_default_device(mx.cpu)
mx.random.seed(7)
out = {}


def case(name, module, *inputs, call=None, training=True):
    """Outputs of `module(*inputs)`, its gradients for its tensors and for the first input."""
    module.train(training)
    # Weights of one and biases of zero would hide mistakes.
    module.update(tree_map(lambda a: a + 0.3 * mx.random.normal(a.shape), module.trainable_parameters()))
    call = call or (lambda m, *x: m(*x))
    before = dict(tree_flatten(module.parameters()))
    for key, a in before.items():
        out[f"{name}/w/{key}"] = a
    for i, x in enumerate(inputs):
        out[f"{name}/x{i}"] = x
    y = call(module, *inputs)
    by = mx.random.normal(y.shape)
    out[f"{name}/y"], out[f"{name}/by"] = y, by
    for key, a in tree_flatten(module.parameters()):
        if a is not before[key]:
            out[f"{name}/after/{key}"] = a
    module.load_weights(list(before.items()))

    def loss(params, x):
        module.update(params)
        return mx.sum(call(module, x, *inputs[1:]) * by)

    if tree_flatten(module.trainable_parameters()):
        grads = mx.grad(loss, argnums=0)(module.trainable_parameters(), inputs[0])
        for key, g in tree_flatten(grads):
            out[f"{name}/g/{key}"] = g
    if inputs[0].dtype == mx.float32:
        out[f"{name}/gx"] = mx.grad(loss, argnums=1)(module.trainable_parameters(), inputs[0])


def normal(*shape):
    return mx.random.normal(shape)


case("linear", nn.Linear(5, 3), normal(4, 5))
case("linear_no_bias", nn.Linear(5, 3, bias=False), normal(2, 2, 5))
case("embedding", nn.Embedding(7, 3), mx.array([[0, 6], [3, 3]]))
case("rms_norm", nn.RMSNorm(6, eps=1e-5), normal(3, 6))
case("layer_norm", nn.LayerNorm(6, eps=1e-5), normal(3, 6))
case("layer_norm_no_bias", nn.LayerNorm(6, eps=1e-3, bias=False), normal(3, 6))
case("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), normal(2, 9, 4))
case("conv2d", nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 1)), normal(2, 7, 6, 2))
case("batch_norm_2", nn.BatchNorm(4), normal(5, 4))
case("batch_norm_3", nn.BatchNorm(4, eps=1e-3, momentum=0.3), normal(3, 2, 4))
case("batch_norm_4", nn.BatchNorm(4), normal(2, 3, 2, 4))
case("batch_norm_eval", nn.BatchNorm(4), normal(5, 4), training=False)
case("batch_norm_plain", nn.BatchNorm(4, affine=False, track_running_stats=False), normal(5, 4), training=False)
case("group_norm", nn.GroupNorm(2, 6), normal(2, 3, 2, 6))
case("group_norm_pytorch", nn.GroupNorm(2, 6, pytorch_compatible=True), normal(2, 5, 6))
case("group_norm_plain", nn.GroupNorm(3, 6, eps=1e-3, affine=False), normal(2, 5, 6))
case("attention", nn.MultiHeadAttention(8, 2, bias=True), normal(2, 5, 8), call=lambda m, x: m(x, x, x))
case("attention_causal", nn.MultiHeadAttention(8, 2), normal(2, 5, 8), call=lambda m, x: m(x, x, x, "causal"))
case(
    "attention_sizes",
    nn.MultiHeadAttention(
        8, 2, query_input_dims=3, key_input_dims=4, value_input_dims=5, value_dims=6, value_output_dims=7
    ),
    normal(2, 4, 3),
    normal(2, 6, 4),
    normal(2, 6, 5),
    normal(2, 1, 4, 6),
)
case(
    "sequential",
    nn.Sequential(nn.Linear(4, 6), nn.BatchNorm(6), nn.gelu, nn.Linear(6, 2)),
    normal(5, 4),
)


def function(name, f, *inputs):
    """Outputs of a function and its gradient for the first input."""
    for i, x in enumerate(inputs):
        out[f"{name}/x{i}"] = x
    y = f(*inputs)
    by = normal(*y.shape)
    out[f"{name}/y"], out[f"{name}/by"] = y, by
    out[f"{name}/gx"] = mx.grad(lambda x: mx.sum(f(x, *inputs[1:]) * by))(inputs[0])


x = mx.array([[-4.0, -1.2, -0.3, 0.6], [0.1, 0.9, 2.5, 7.0]])
for name in """celu elu gelu gelu_approx gelu_fast_approx hard_shrink hard_tanh hardswish leaky_relu log_sigmoid mish relu
        relu2 relu6 selu silu softplus softshrink softsign""".split():
    function(name, getattr(nn, name), x)
function("log_softmax", nn.log_softmax, x)
function("softmin", nn.softmin, x)
function("glu", nn.glu, x)
function("prelu", nn.prelu, x, mx.array([0.1, 0.2, 0.3, 0.4]))

seq, image = normal(2, 9, 3), normal(2, 7, 6, 3)
function("max_pool1d", nn.MaxPool1d(3, stride=2, padding=1), seq)
function("avg_pool1d", nn.AvgPool1d(3), seq)
function("max_pool2d", nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)), image)
function("avg_pool2d", nn.AvgPool2d(2, stride=2, padding=1), image)

a, b, classes, signs = normal(3, 4), normal(3, 4), mx.array([1, 0, 3]), mx.sign(normal(3, 4))
probability, weights = mx.sigmoid(normal(3, 4)), mx.array([0.5, 1.0, 2.0])
losses = nn.losses
function("cross_entropy", lambda a, t: losses.cross_entropy(a, t, reduction="mean"), a, classes)
function(
    "cross_entropy_all",
    lambda a, t, w: losses.cross_entropy(a, t, w, label_smoothing=0.1, reduction="sum"),
    a,
    classes,
    weights,
)
function("binary_cross_entropy", lambda a, t: losses.binary_cross_entropy(a, t, reduction="none"), a, probability)
function(
    "binary_cross_entropy_p",
    lambda a, t: losses.binary_cross_entropy(a, t, with_logits=False, reduction="mean"),
    probability,
    mx.sigmoid(b),
)
function("mse_loss", lambda a, b: losses.mse_loss(a, b, reduction="mean"), a, b)
function("l1_loss", lambda a, b: losses.l1_loss(a, b, reduction="sum"), a, b)
function("smooth_l1_loss", lambda a, b: losses.smooth_l1_loss(a, b, beta=0.7, reduction="none"), a, b)
function("huber_loss", lambda a, b: losses.huber_loss(a, b, delta=0.6, reduction="none"), a, b)
function("log_cosh_loss", lambda a, b: losses.log_cosh_loss(a, b, reduction="none"), a, b)
function("hinge_loss", lambda a, b: losses.hinge_loss(a, b, reduction="none"), a, signs)
function(
    "gaussian_nll_loss",
    lambda a, b, v: losses.gaussian_nll_loss(a, b, v, full=True, reduction="none"),
    a,
    b,
    probability,
)
function(
    "margin_ranking_loss",
    lambda a, b, t: losses.margin_ranking_loss(a, b, t, margin=0.2, reduction="none"),
    a,
    b,
    signs,
)
function("kl_div_loss", lambda a, b: losses.kl_div_loss(a, b, reduction="none"), a, nn.log_softmax(b))
function("cosine_similarity_loss", lambda a, b: losses.cosine_similarity_loss(a, b, reduction="none"), a, b)
function("nll_loss", lambda a, t: losses.nll_loss(a, t, reduction="none"), nn.log_softmax(a), classes)

mx.save_safetensors(sys.argv[1], out)
