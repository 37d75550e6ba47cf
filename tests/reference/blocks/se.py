# SPDX-License-Identifier: MIT
"""se: Squeeze-and-Excitation channel gate (Hu et al., CVPR 2018)."""
from common import hard_sigmoid, layer, pick, relu, sigmoid, silu, spread
from draw import bf16, f16

DEFAULTS = {"reduction": 16, "hidden": 0, "bias": True, "act": "relu", "gate": "sigmoid"}

ACTS = {"relu": relu, "silu": silu}
GATES = {"sigmoid": sigmoid, "hard_sigmoid": hard_sigmoid}


def run(x, w, a):
    if not a["bias"]:
        w = {name: t for name, t in w.items() if not name.endswith(".bias")}
    u = layer(w, "fc1", x["x"].mean(axis=(2, 3)))
    u = ACTS[pick(a["act"], ACTS, "act")](u)
    attn = GATES[pick(a["gate"], GATES, "gate")](layer(w, "fc2", u))
    y = x["x"] * spread(attn, x["x"])
    return {"y": y + x["residual"] if "residual" in x else y, "attn": attn}


def cases(rng):
    table = [
        ("defaults", (2, 37, 5, 3), {}),
        ("one_channel_one_pixel", (1, 1, 1, 1), {"reduction": 1}),
        ("no_bias_odd", (3, 23, 7, 1), {"reduction": 7, "bias": False}),
        ("silu_hidden", (2, 13, 1, 11), {"act": "silu", "hidden": 5, "gate": "sigmoid"}),
        ("hard_sigmoid_all_given", (1, 17, 4, 5), {"reduction": 4, "hidden": 0, "bias": True,
                                                   "act": "relu", "gate": "hard_sigmoid"}),
        ("silu_hard_sigmoid_no_bias", (2, 7, 3, 3), {"reduction": 2, "bias": False, "act": "silu",
                                                     "gate": "hard_sigmoid"}),
        ("hidden_ignores_reduction", (1, 6, 3, 5), {"reduction": 0, "hidden": 9}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r = rng("residual")
    x = {"x": r.normal(2, 19, 3, 5), "residual": r.normal(2, 19, 3, 5)}
    yield "residual", x, weights(r, 19, {}), {}

    r = rng("saturated")  # gates of 0 and 1: no overflow on the way
    w = weights(r, 16, {"reduction": 8})
    w["fc2.bias"][::2], w["fc2.bias"][1::2] = -200, 200
    yield "saturated", {"x": r.normal(2, 16, 2, 3)}, w, {"reduction": 8}

    r = rng("unused_biases")  # in the file, known, not used in this mode
    yield "unused_biases", {"x": r.normal(1, 9, 2, 3)}, weights(r, 9, {"reduction": 3}), \
        {"reduction": 3, "bias": False}

    r = rng("x_f16")
    yield "x_f16", {"x": f16(r.normal(2, 16, 3, 3))}, weights(r, 16, {}), {}

    r = rng("x_and_weights_bf16")
    w = {name: bf16(t) for name, t in weights(r, 18, {"reduction": 3}).items()}
    yield "x_and_weights_bf16", {"x": bf16(r.normal(1, 18, 5, 3))}, w, {"reduction": 3}

    r = rng("large_map")  # the mean over many positions
    yield "large_map", {"x": r.normal(1, 2, 47, 31, shift=3)}, weights(r, 2, {"reduction": 2}), \
        {"reduction": 2}


def weights(r, c, attrs):
    hidden = attrs.get("hidden") or c // attrs.get("reduction", 16)
    bias = attrs.get("bias", True)
    return {**r.layer("fc1", hidden, c, bias=bias), **r.layer("fc2", c, hidden, bias=bias)}
