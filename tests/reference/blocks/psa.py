# SPDX-License-Identifier: MIT
"""psa: Parameter-Free Spatial Attention (Wang et al., 2018)."""
import numpy as np

from common import pick, positions, softmax
from draw import bf16, f16

DEFAULTS = {"normalize": "sum"}


def run(x, w, a):
    flat = positions(x["x"])
    if pick(a["normalize"], ("sum", "softmax"), "normalize") == "sum":
        s = flat.mean(axis=1)
        attn = s / s.sum(axis=1, keepdims=True)
    else:
        attn = softmax(flat.sum(axis=1))
    shape = x["x"].shape[:1] + (1,) + x["x"].shape[2:]
    return {"y": x["x"] * attn.reshape(shape), "attn": attn.reshape(shape)}


def cases(rng):
    soft = {"normalize": "softmax"}
    table = [
        ("defaults", (2, 13, 5, 3), {}),
        ("sum_given", (3, 4, 7, 2), {"normalize": "sum"}),
        ("one_channel_one_pixel", (1, 1, 1, 1), {}),
        ("row", (2, 5, 1, 17), {}),
        ("softmax", (2, 7, 3, 5), soft),
        ("softmax_one_pixel", (3, 5, 1, 1), soft),
        ("softmax_column", (1, 3, 37, 1), soft),
    ]
    for name, shape, attrs in table:
        yield name, {"x": np.abs(rng(name).normal(*shape))}, {}, attrs

    r = rng("sum_signed")  # negative weights, a total well away from 0
    yield "sum_signed", {"x": r.normal(2, 3, 5, 5, shift=0.5)}, {}, {}

    r = rng("sum_zero_sample")  # 0 / 0 in sample 1, nowhere else
    x = np.abs(r.normal(3, 4, 3, 3))
    x[1] = 0
    yield "sum_zero_sample", {"x": x}, {}, {}

    r = rng("softmax_large_sums")
    yield "softmax_large_sums", {"x": r.normal(2, 9, 3, 5, scale=30.0, shift=20.0)}, {}, soft

    r = rng("softmax_signed")
    yield "softmax_signed", {"x": r.normal(2, 3, 5, 4)}, {}, soft

    for name, kind in (("x_f16", f16), ("x_bf16", bf16)):
        yield name, {"x": kind(np.abs(rng(name).normal(1, 5, 3, 5)))}, {}, {}
