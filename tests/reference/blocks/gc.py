# SPDX-License-Identifier: MIT
"""gc: Global Context block (Cao et al., ICCV workshops 2019)."""
import numpy as np

from common import (layer, layer_norm, pick, pointwise, positions, relu, sigmoid, softmax, spread)
from draw import bf16, f16

DEFAULTS = {"ratio": 0.0625, "planes": 0, "pooling": "att", "fusion": ["channel_add"],
            "ln_eps": 1e-5}


def transform(w, name, context, eps):
    t = layer_norm(w, f"{name}.ln", layer(w, f"{name}.fc1", context), eps)
    return layer(w, f"{name}.fc2", relu(t))


def run(x, w, a):
    x, out = x["x"], {}
    if pick(a["pooling"], ("att", "avg"), "pooling") == "att":
        attn = softmax(positions(pointwise(w, "conv_mask", x)))
        out["attn"] = attn.reshape(x.shape[:1] + (1,) + x.shape[2:])
        context = np.einsum("np,ncp->nc", attn[:, 0], positions(x))
    else:
        context = x.mean(axis=(2, 3))
    for kind in a["fusion"]:
        pick(kind, ("channel_add", "channel_mul"), "fusion")
    y = x
    if "channel_mul" in a["fusion"]:
        out["mul_term"] = sigmoid(transform(w, "channel_mul", context, a["ln_eps"]))
        y = y * spread(out["mul_term"], y)
    if "channel_add" in a["fusion"]:
        out["add_term"] = transform(w, "channel_add", context, a["ln_eps"])
        y = y + spread(out["add_term"], y)
    return {"y": y, "context": context, **out}


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    planes, w = a["planes"] or int(c * a["ratio"]), {}
    if a["pooling"] == "att":
        w.update(r.layer("conv_mask", 1, c, 1, 1))
    for f in a["fusion"]:
        w.update({**r.layer(f"{f}.fc1", planes, c), **r.norm(f"{f}.ln", planes),
                  **r.layer(f"{f}.fc2", c, planes)})
    return w


def cases(rng):
    table = [
        ("defaults", (2, 37, 5, 3), {}),
        ("all_given", (1, 48, 2, 3), dict(DEFAULTS)),
        ("one_plane", (2, 17, 3, 4), {}),  # the norm leaves its bias alone
        ("one_channel_one_pixel", (1, 1, 1, 1), {"planes": 1}),
        ("mul", (2, 13, 7, 1), {"ratio": 0.25, "fusion": ["channel_mul"]}),
        ("add_and_mul", (2, 11, 3, 5), {"planes": 5, "fusion": ["channel_add", "channel_mul"]}),
        ("mul_and_add", (1, 11, 5, 3), {"planes": 3, "fusion": ["channel_mul", "channel_add"]}),
        ("avg", (3, 19, 1, 5), {"ratio": 0.2, "pooling": "avg"}),
        ("avg_mul", (1, 10, 3, 3), {"ratio": 0.7, "pooling": "avg",  # 7 in double, 6 in float
                                    "fusion": ["channel_mul"]}),
        ("ratio_just_under", (1, 50, 3, 1), {"ratio": 0.58}),  # 28.999999999999996: 28 planes
        ("planes_beat_ratio", (1, 9, 3, 3), {"planes": 12, "ratio": 0.5}),
        ("large_eps", (2, 12, 2, 5), {"ratio": 0.5, "ln_eps": 0.3}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r, attrs = rng("large_logits"), {"planes": 4}
    w = weights(r, 6, attrs)
    w["conv_mask.weight"] *= 60
    yield "large_logits", {"x": r.normal(2, 6, 5, 3)}, w, attrs

    r = rng("x_bf16_weights_f16")
    attrs = {"planes": 5}
    w = {name: f16(t) for name, t in weights(r, 23, attrs).items()}
    yield "x_bf16_weights_f16", {"x": bf16(r.normal(1, 23, 3, 5))}, w, attrs
