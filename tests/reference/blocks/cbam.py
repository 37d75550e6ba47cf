# SPDX-License-Identifier: MIT
"""cbam: Convolutional Block Attention Module (Woo et al., ECCV 2018)."""
import numpy as np

from common import batch_norm, conv, layer, pick, positions, relu, sigmoid, spread
from draw import bf16, f16

DEFAULTS = {"part": "both", "reduction": 16, "pool_types": ["avg", "max"], "kernel_size": 7,
            "bn_eps": 1e-5}


def log_sum_exp(x):
    top = x.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(x - top).sum(axis=-1))


POOLS = {"avg": lambda x: x.mean(axis=-1), "max": lambda x: x.max(axis=-1),
         "lp": lambda x: np.sqrt((x * x).sum(axis=-1)), "lse": log_sum_exp}


def channel_gate(x, w, a):
    total = 0
    for kind in a["pool_types"]:
        d = POOLS[pick(kind, POOLS, "pool_types")](positions(x))
        total = total + layer(w, "channel.fc2", relu(layer(w, "channel.fc1", d)))
    return sigmoid(total)


def spatial_gate(x, w, a):
    m = np.stack([x.max(axis=1), x.mean(axis=1)], axis=1)
    r = conv(m, w["spatial.conv.weight"], padding=a["kernel_size"] // 2)
    return sigmoid(batch_norm(w, "spatial.bn", r, a["bn_eps"]))


def run(x, w, a):
    part, y, out = pick(a["part"], ("both", "channel", "spatial"), "part"), x["x"], {}
    if part != "spatial":
        out["attn_channel"] = channel_gate(y, w, a)
        y = y * spread(out["attn_channel"], y)
    if part != "channel":
        out["attn_spatial"] = spatial_gate(y, w, a)
        y = y * out["attn_spatial"]
    return {"y": y, **out}


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    hidden, w = c // a["reduction"], {}
    if a["part"] != "spatial":
        w.update({**r.layer("channel.fc1", hidden, c), **r.layer("channel.fc2", c, hidden)})
    if a["part"] != "channel":
        w.update(r.layer("spatial.conv", 1, 2, a["kernel_size"], a["kernel_size"], bias=False))
        w.update(r.bn("spatial.bn", 1))
    return w


def cases(rng):
    table = [
        ("defaults", (2, 33, 5, 3), {}),
        ("all_given", (1, 16, 3, 4), dict(DEFAULTS)),
        ("one_channel_one_pixel", (1, 1, 1, 1), {"reduction": 1}),
        ("channel_only", (2, 11, 3, 5), {"part": "channel", "reduction": 4}),
        ("spatial_only", (2, 5, 7, 3), {"part": "spatial", "kernel_size": 3}),
        ("spatial_ignores_reduction", (1, 3, 4, 9), {"part": "spatial", "reduction": 1000}),
        ("kernel_1", (1, 7, 3, 3), {"reduction": 3, "kernel_size": 1}),
        ("kernel_larger_than_map", (2, 6, 2, 1), {"reduction": 2, "kernel_size": 9}),
        ("all_pools", (2, 13, 3, 3), {"reduction": 5, "pool_types": ["lse", "max", "lp", "avg"]}),
        ("avg_alone", (1, 9, 5, 2), {"reduction": 3, "pool_types": ["avg"]}),
        ("max_alone", (1, 9, 5, 2), {"reduction": 3, "pool_types": ["max"], "part": "channel"}),
        ("lp_alone", (1, 9, 5, 2), {"reduction": 3, "pool_types": ["lp"]}),
        ("avg_twice", (1, 8, 3, 3), {"reduction": 4, "pool_types": ["avg", "avg"]}),
        ("large_eps", (1, 8, 5, 5), {"reduction": 4, "bn_eps": 0.5}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r = rng("unused_half")  # weights of both halves, one asked for
    yield "unused_half", {"x": r.normal(1, 6, 3, 3)}, \
        weights(r, 6, {"reduction": 2, "kernel_size": 3}), \
        {"part": "channel", "reduction": 2, "kernel_size": 3}

    for name, shift in (("lse_large_values", 300.0), ("lse_large_negative_values", -300.0)):
        r, attrs = rng(name), {"reduction": 3, "pool_types": ["lse"], "part": "channel"}
        w = weights(r, 7, attrs)
        w["channel.fc1.weight"] /= 300
        yield name, {"x": r.normal(2, 7, 5, 3, scale=20.0, shift=shift)}, w, attrs

    r = rng("x_f16_weights_bf16")
    w = {name: bf16(t) for name, t in weights(r, 17, {}).items()}
    yield "x_f16_weights_bf16", {"x": f16(r.normal(1, 17, 5, 5))}, w, {}
