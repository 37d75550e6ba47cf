# SPDX-License-Identifier: MIT
"""cgnl: compact generalized non-local block (Yue et al., NeurIPS 2018)."""
import math

import numpy as np

from common import along, conv, pick, pointwise, standardize
from draw import bf16, f16

DEFAULTS = {"kernel": "dot", "order": 2, "groups": 1, "use_scale": False, "gamma": 1e-4,
            "gn_eps": 1e-5}


def coefficients(a):
    """Of the Taylor terms, by which both sides are multiplied."""
    if pick(a["kernel"], ("dot", "rbf"), "kernel") == "dot":
        return [(1, 1.0)]
    g = 2 * a["gamma"]
    return [(r, math.sqrt(g ** r / math.factorial(r) * math.exp(-g)))
            for r in range(a["order"] + 1)]


def run(x, w, a):
    x, groups = x["x"], a["groups"]
    n, height, width = x.shape[0], x.shape[2], x.shape[3]
    th, ph, gv = (pointwise(w, name, x).reshape(n, groups, -1) for name in "tpg")
    scale = th.shape[2] ** -0.5 if a["use_scale"] else 1.0
    att = np.stack([scale * (c * ph ** r * gv).sum(axis=2) for r, c in coefficients(a)], axis=2)
    u = sum(att[:, :, i:i + 1] * c * th ** r for i, (r, c) in enumerate(coefficients(a)))
    o = conv(u.reshape(n, -1, height, width), w["z.weight"], groups=groups)
    o = standardize(o.reshape(n, groups, -1), 2, a["gn_eps"]).reshape(x.shape)
    return {"y": o * along(w["gn.weight"], o) + along(w["gn.bias"], o) + x, "att": att}


def weights(r, c, inner, groups):
    w = r.norm("gn", c)
    for name in "tpg":
        w.update(r.layer(name, inner, c, 1, 1, bias=False))
    return {**w, **r.layer("z", c, inner // groups, 1, 1, bias=False)}


def cases(rng):
    rbf, scaled = {"kernel": "rbf"}, {"use_scale": True}
    table = [  # shape, inner channels
        ("defaults", (2, 6, 5, 3), 3, {}),
        ("all_given", (1, 8, 3, 4), 4, dict(DEFAULTS)),
        ("one_pixel", (2, 5, 1, 1), 3, {}),
        ("dot_scaled", (2, 7, 3, 5), 2, scaled),
        ("dot_groups", (2, 6, 5, 3), 9, {"groups": 3}),
        ("dot_groups_scaled", (1, 8, 3, 3), 4, {"groups": 4, **scaled}),
        ("dot_channel_a_group", (1, 5, 3, 4), 5, {"groups": 5}),
        ("dot_ignores_order", (1, 4, 3, 3), 2, {"order": 5, "gamma": 0.3}),
        ("large_eps", (2, 5, 3, 3), 2, {"gn_eps": 0.5}),
        ("rbf_defaults", (2, 6, 5, 3), 3, rbf),
        ("rbf_order_0", (2, 5, 3, 3), 3, {**rbf, "order": 0}),
        ("rbf_order_1", (1, 7, 3, 5), 2, {**rbf, "order": 1}),
        ("rbf_official", (2, 8, 3, 5), 4, {**rbf, "order": 3, "groups": 2, **scaled}),
        ("rbf_large_gamma", (2, 6, 3, 4), 3, {**rbf, "order": 4, "gamma": 0.5}),
        ("rbf_groups_gamma", (1, 9, 5, 2), 6, {**rbf, "groups": 3, "gamma": 0.05}),
    ]
    for name, shape, inner, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, \
            weights(r, shape[1], inner, attrs.get("groups", 1)), attrs

    r = rng("rbf_zero_pixel")  # 0 to the power 0 is 1
    x = r.normal(1, 4, 3, 3)
    x[:, :, 1, 1] = 0
    yield "rbf_zero_pixel", {"x": x}, weights(r, 4, 2, 1), {**rbf, "gamma": 0.1}

    r = rng("f16_bf16_y_only")
    w = {name: bf16(t) for name, t in weights(r, 6, 3, 1).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(1, 6, 5, 3))}, w, {}, ["y"]
