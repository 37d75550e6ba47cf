# SPDX-License-Identifier: MIT
"""What the definitions of the two self-attention modules of SAN (Zhao et al., CVPR 2020) share."""
import numpy as np

from common import batch_norm, part_of, pointwise, relu
from draw import under

EPS = 1e-5


def norm_relu(w, name, x):
    return relu(batch_norm(w, name, x, EPS))


def weigh(w, features):
    """The small network that turns features, over axis 1, into weights."""
    hidden = pointwise(w, "conv_w.2", norm_relu(w, "conv_w.0", features))
    return pointwise(w, "conv_w.5", norm_relu(w, "conv_w.3", hidden))


def aggregate(attn, values):
    """attn [N, G, taps, H, W], values [N, O, taps, H, W]: channel c has map c mod G."""
    return (attn[:, np.arange(values.shape[1]) % attn.shape[1]] * values).sum(axis=2)


def groups_of(a):
    if a["out_channels"] % a["share"]:
        raise ValueError(f"share {a['share']} does not divide {a['out_channels']}")
    return a["out_channels"] // a["share"]


def wrapped(module, x, w, a):
    """The module, inside the bottleneck if there is one."""
    groups_of(a)
    if a["kernel_size"] % 2 == 0:
        raise ValueError(f"kernel_size {a['kernel_size']} is even")
    if not a["bottleneck"]:
        y, attn = module(x, w, a)
        return {"y": y, "attn": attn}
    y, attn = module(norm_relu(w, "bn1", x), part_of(w, "sam"), a)
    return {"y": x + pointwise(w, "conv", norm_relu(w, "bn2", y)), "attn": attn}


# Cases

def embeddings(r, c, a):
    w = {}
    for name, width in (("conv1", a["rel_channels"]), ("conv2", a["rel_channels"]),
                        ("conv3", a["out_channels"])):
        w.update(r.layer(name, width, c, 1, 1))
    return w


def network(r, features, hidden, out):
    return {**r.bn("conv_w.0", features), **r.layer("conv_w.2", hidden, features, 1, 1, bias=False),
            **r.bn("conv_w.3", hidden), **r.layer("conv_w.5", out, hidden, 1, 1)}


def in_bottleneck(r, w, c, a):
    if not a["bottleneck"]:
        return w
    o = a["out_channels"]
    return {**under("sam", w), **r.bn("bn1", c), **r.bn("bn2", o), **r.layer("conv", c, o, 1, 1)}
