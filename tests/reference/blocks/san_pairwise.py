# SPDX-License-Identifier: MIT
"""san_pairwise: pairwise self-attention of SAN (Zhao et al., CVPR 2020)."""
import numpy as np

import san
from common import REQUIRED, pick, pointwise, softmax
from draw import bf16, f16
from windows import centred, reflected, windows

DEFAULTS = {"rel_channels": REQUIRED, "out_channels": REQUIRED, "share": 8, "kernel_size": 7,
            "stride": 1, "dilation": 1, "pad_mode": "reflect", "relation": "subtraction",
            "position": True, "bottleneck": False}
RELATIONS = {  # of the centre and a tap
    "subtraction": lambda a, b: a - b,
    "summation": lambda a, b: a + b,
    "hadamard": lambda a, b: a * b,
    "concatenation": lambda a, b: np.concatenate([np.broadcast_to(a, b.shape), b], axis=1),
    "dot": lambda a, b: (a * b).sum(axis=1, keepdims=True),
}


def taps(shape, a):
    """The rows and columns of the windows; reflected ones lie all in the map."""
    k, d, reach = a["kernel_size"], a["dilation"], a["dilation"] * (a["kernel_size"] // 2)
    at = [centred(n, k, a["stride"], d) for n in shape]
    if pick(a["pad_mode"], ("reflect", "zero"), "pad_mode") == "zero":
        return at
    if reach > min(shape) - 1:
        raise ValueError(f"reflection by {reach} in a map of {shape}")
    return [reflected(axis, n) for axis, n in zip(at, shape)]


def position_map(w, shape, dtype):
    """[1, 2, H, W], across first."""
    down, across = (-1 + 2 * np.arange(n, dtype=dtype) / max(n - 1, 1) for n in shape)
    return pointwise(w, "conv_p", np.stack(np.broadcast_arrays(across, down[:, None]))[None])


def module(x, w, a):
    at, s = taps(x.shape[2:], a), a["stride"]

    def centre(z):
        return z[:, :, None, ::s, ::s]
    relation = RELATIONS[pick(a["relation"], RELATIONS, "relation")]
    e = relation(centre(pointwise(w, "conv1", x)), windows(pointwise(w, "conv2", x), *at))
    if a["position"]:
        p = position_map(w, x.shape[2:], x.dtype)
        p = centre(p) - windows(p, *at)
        e = np.concatenate([e, np.broadcast_to(p, x.shape[:1] + p.shape[1:])], axis=1)
    attn = softmax(san.weigh(w, e), axis=2)
    return san.aggregate(attn, windows(pointwise(w, "conv3", x), *at)), attn


def run(x, w, a):
    if a["bottleneck"] and a["stride"] != 1:
        raise ValueError(f"stride {a['stride']} in a bottleneck")
    return san.wrapped(module, x["x"], w, a)


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    inner = a["rel_channels"]
    features = {"concatenation": 2 * inner, "dot": 1}.get(a["relation"], inner)
    w = san.embeddings(r, c, a)
    if a["position"]:
        w.update(r.layer("conv_p", 2, 2, 1, 1))
    w.update(san.network(r, features + 2 * a["position"], inner, san.groups_of(a)))
    return san.in_bottleneck(r, w, c, a)


def table():
    small = {"rel_channels": 3, "out_channels": 6, "share": 3, "kernel_size": 3}
    zero, plain = {"pad_mode": "zero"}, {"position": False}
    rows = [
        ("defaults", (1, 5, 4, 5), {"rel_channels": 2, "out_channels": 8}),
        ("all_given", (2, 6, 3, 4), {**DEFAULTS, **small}),
        ("one_of_everything", (1, 1, 1, 1), {"rel_channels": 1, "out_channels": 1, "share": 1,
                                             "kernel_size": 1}),
        ("one_pixel_zero", (2, 3, 1, 1), {**small, **zero}),
        ("stride_2", (2, 5, 5, 6), {**small, "stride": 2}),
        ("stride_3_dilation_2_zero", (1, 5, 7, 5), {**small, **zero, "stride": 3, "dilation": 2}),
        ("dilation_2", (1, 5, 4, 5), {**small, "dilation": 2, "kernel_size": 3}),
        ("reflect_to_the_end", (1, 4, 4, 7), {**small, "kernel_size": 7}),
        ("kernel_1", (2, 5, 3, 3), {**small, "kernel_size": 1, "stride": 2}),
        ("window_over_map_zero", (1, 4, 2, 3), {**small, **zero, "kernel_size": 7}),
        ("row_zero", (1, 4, 1, 11), {**small, **zero, "kernel_size": 5}),
        ("column_zero", (1, 4, 9, 1), {**small, **zero, "stride": 2, "relation": "dot"}),
        ("share_1", (1, 5, 3, 4), {**small, "share": 1}),
        ("share_all", (2, 5, 3, 4), {**small, "share": 6}),
        ("bottleneck", (2, 7, 3, 5), {**small, "bottleneck": True}),
        ("bottleneck_zero_dot", (1, 5, 4, 3), {**small, **zero, "bottleneck": True, "share": 2,
                                               "relation": "dot", "dilation": 2}),
    ]
    for name in RELATIONS:
        rows += [(f"{name}_reflect", (1, 4, 4, 3), {**small, "relation": name}),
                 (f"{name}_zero_no_position", (2, 5, 3, 3), {**small, **zero, **plain, "share": 2,
                                                             "relation": name})]
    return rows


def cases(rng):
    for name, shape, attrs in table():
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r, attrs = rng("unused_position"), {"rel_channels": 2, "out_channels": 4, "share": 2,
                                        "kernel_size": 3, "position": False}
    w = {**weights(r, 5, attrs), **r.layer("conv_p", 2, 2, 1, 1)}
    yield "unused_position", {"x": r.normal(1, 5, 3, 4)}, w, attrs

    r, attrs = rng("large_logits"), {"rel_channels": 3, "out_channels": 6, "share": 3,
                                     "kernel_size": 3, "relation": "hadamard"}
    yield "large_logits", {"x": r.normal(1, 4, 4, 3, scale=6.0)}, weights(r, 4, attrs), attrs

    r, attrs = rng("f16_bf16_y_only"), {"rel_channels": 3, "out_channels": 8, "share": 4,
                                        "kernel_size": 5}
    w = {name: bf16(t) for name, t in weights(r, 5, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 5, 7, 5))}, w, attrs, ["y"]
