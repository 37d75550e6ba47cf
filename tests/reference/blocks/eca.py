# SPDX-License-Identifier: MIT
"""eca: Efficient Channel Attention (Wang et al., CVPR 2020)."""
import math

import numpy as np

from common import sigmoid, spread
from draw import bf16

DEFAULTS = {"kernel_size": 0, "gamma": 2.0, "b": 1.0, "shared": True}


def width(c, a):
    if a["kernel_size"]:
        return a["kernel_size"]
    t = int(abs(math.log2(c) + a["b"]) / a["gamma"])
    return t if t % 2 else t + 1


def run(x, w, a):
    n, c = x["x"].shape[:2]
    k = width(c, a)
    weight = np.broadcast_to(w["conv.weight"].reshape(-1, k), (c, k))
    s = np.pad(x["x"].mean(axis=(2, 3)), [(0, 0), (k // 2, k // 2)])
    z = sum(weight[:, j] * s[:, j:j + c] for j in range(k))
    attn = sigmoid(z)
    return {"y": x["x"] * spread(attn, x["x"]), "attn": attn}


def cases(rng):
    table = [
        ("defaults_3_channels", (2, 3, 5, 3), {}),       # k = 1
        ("defaults_8_channels", (1, 8, 3, 3), {}),       # a power of two: k = 3
        ("defaults_65_channels", (2, 65, 3, 1), {}),     # k = 3, just over a power of two
        ("defaults_128_channels", (1, 128, 2, 1), {}),   # t = 4, so k = 5
        ("one_channel_one_pixel", (1, 1, 1, 1), {}),
        ("kernel_wider_than_channels", (2, 3, 1, 7), {"kernel_size": 9}),
        ("kernel_1", (3, 11, 2, 2), {"kernel_size": 1}),
        ("not_shared", (2, 13, 5, 1), {"kernel_size": 5, "shared": False}),
        ("not_shared_adaptive", (1, 17, 3, 2), {"shared": False}),
        ("not_shared_wide", (1, 2, 3, 2), {"kernel_size": 7, "shared": False}),
        ("gamma_and_b", (1, 20, 1, 3), {"gamma": 0.7, "b": -2.0}),
        ("b_below_zero", (2, 2, 3, 3), {"gamma": 1.0, "b": -6.0}),  # |1 - 6| / 1 = 5
        ("rule_ignored", (1, 64, 2, 2), {"kernel_size": 3, "gamma": 1.0, "b": 1.0,
                                         "shared": True}),
    ]
    for name, shape, attrs in table:
        r, full = rng(name), {**DEFAULTS, **attrs}
        rows = 1 if full["shared"] else shape[1]
        w = {"conv.weight": r.normal(rows, 1, width(shape[1], full))}
        yield name, {"x": r.normal(*shape)}, w, attrs

    r = rng("x_bf16")
    yield "x_bf16", {"x": bf16(r.normal(2, 19, 3, 5))}, {"conv.weight": r.normal(1, 1, 3)}, {}
