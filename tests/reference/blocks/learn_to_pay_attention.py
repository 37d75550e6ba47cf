# SPDX-License-Identifier: MIT
"""learn_to_pay_attention: local features attended by a global vector (Jetley et al., ICLR 2018)."""
import numpy as np

from common import (REQUIRED, batch_norm, layer, pick, pointwise, positions, relu, sigmoid, softmax)
from draw import bf16, f16

DEFAULTS = {"levels": REQUIRED, "compat": "pc", "normalize": "softmax", "sigmoid_pool": "mean",
            "classify": True}


def level(local, g, w, s, a):
    """Returns (pooled vector, scores, weights) of level s."""
    if f"proj_l{s}.weight" in w:
        local = pointwise(w, f"proj_l{s}", local)
    if f"proj_g{s}.weight" in w:
        if f"proj_g{s}.bn.running_var" in w:
            g = relu(batch_norm(w, f"proj_g{s}.bn", g, 1e-5))
        g = layer(w, f"proj_g{s}", g)
    flat = positions(local)
    if pick(a["compat"], ("pc", "dp"), "compat") == "pc":
        u = w[f"attn{s}.weight"].reshape(-1)
        c = np.einsum("c,ncp->np", u, flat + g[:, :, None]) + w.get(f"attn{s}.bias", 0)
    else:
        c = np.einsum("ncp,nc->np", flat, g)
    attn = softmax(c) if pick(a["normalize"], ("softmax", "sigmoid"), "normalize") == "softmax" \
        else sigmoid(c)
    pooled = np.einsum("np,ncp->nc", attn, flat)
    if a["normalize"] == "sigmoid" and pick(a["sigmoid_pool"], ("mean", "sum"),
                                            "sigmoid_pool") == "mean":
        pooled = pooled / flat.shape[2]
    if f"post{s}.bn.running_var" in w:
        pooled = relu(batch_norm(w, f"post{s}.bn", pooled, 1e-5))
    return pooled, c, attn


def run(x, w, a):
    out, pooled = {}, []
    for s in range(1, a["levels"] + 1):
        local = x[f"l{s}"]
        vector, c, attn = level(local, x["g"], w, s, a)
        shape = (local.shape[0], 1) + local.shape[2:]
        out[f"c{s}"], out[f"attn{s}"] = c.reshape(shape), attn.reshape(shape)
        pooled.append(vector)
    g_cat = np.concatenate(pooled, axis=1)
    return {"y": layer(w, "classify", g_cat) if a["classify"] else g_cat, "g_cat": g_cat, **out}


def build(r, n, cg, locals_, attrs, proj=None, proj_bn=(), post=(), bias=(), classes=5):
    """locals_: (C, H, W) a level; proj: "l", "g" or None a level; the rest: levels that have it."""
    a, proj = {**DEFAULTS, **attrs}, proj or [None] * len(locals_)
    x, w, total = {"g": r.normal(n, cg)}, {}, 0
    for s, ((c, h, wd), kind) in enumerate(zip(locals_, proj), 1):
        x[f"l{s}"] = r.normal(n, c, h, wd)
        if kind == "l":
            w.update(r.layer(f"proj_l{s}", cg, c, 1, 1, bias=False))
        if kind == "g":
            w.update(r.layer(f"proj_g{s}", c, cg))
        if s in proj_bn:
            w.update(r.bn(f"proj_g{s}.bn", cg))
        width = cg if kind == "l" else c
        if a["compat"] == "pc":
            w.update(r.layer(f"attn{s}", 1, width, 1, 1, bias=s in bias))
        if s in post:
            w.update(r.bn(f"post{s}.bn", width))
        total += width
    if a["classify"]:
        w.update(r.layer("classify", classes, total))
    return x, w


def cases(rng):
    sig, dp, no_class = {"normalize": "sigmoid"}, {"compat": "dp"}, {"classify": False}
    summed = {**sig, "sigmoid_pool": "sum"}
    table = [
        ("one_level", (2, 6, [(6, 5, 3)], {"levels": 1}), {}),
        ("all_given", (1, 4, [(4, 3, 2)], {**DEFAULTS, "levels": 1}), {}),
        ("one_of_everything", (1, 1, [(1, 1, 1)], {"levels": 1}), {"classes": 1}),
        ("three_levels_proj_l", (2, 7, [(3, 5, 3), (7, 3, 2), (7, 1, 1)], {"levels": 3}),
         {"proj": ["l", None, None]}),
        ("pc_bias", (2, 5, [(5, 3, 3), (5, 2, 1)], {"levels": 2}), {"bias": (1, 2)}),
        ("pc_sigmoid_bias", (2, 5, [(5, 3, 3), (5, 2, 1)], {"levels": 2, **sig}), {"bias": (2,)}),
        ("pc_sigmoid_sum", (2, 5, [(5, 3, 3)], {"levels": 1, **summed}), {}),
        ("dp", (2, 6, [(6, 5, 3)], {"levels": 1, **dp}), {}),
        ("dp_sigmoid_sum", (1, 6, [(6, 2, 3)], {"levels": 1, **dp, **summed}), {}),
        ("dp_sigmoid_mean_no_classes", (3, 4, [(4, 3, 3), (2, 5, 1)],
                                        {"levels": 2, **dp, **sig, **no_class}),
         {"proj": [None, "g"]}),
        ("softmax_ignores_pool", (2, 4, [(4, 3, 2)], {"levels": 1, "sigmoid_pool": "sum"}), {}),
        ("proj_g_plain", (2, 5, [(3, 3, 3)], {"levels": 1, **no_class}), {"proj": ["g"]}),
        ("proj_g_bn", (2, 5, [(3, 3, 3), (7, 2, 2)], {"levels": 2, **dp}),
         {"proj": ["g", "g"], "proj_bn": (1, 2)}),
        ("authors_form", (2, 6, [(4, 5, 3), (6, 3, 3), (6, 2, 2)], {"levels": 3}),
         {"proj": ["g", None, None], "proj_bn": (1,), "post": (1, 2, 3), "bias": (1, 2, 3)}),
        ("proj_although_equal", (1, 4, [(4, 3, 2), (4, 2, 2)], {"levels": 2, **dp}),
         {"proj": ["l", "g"], "post": (2,)}),
    ]
    for name, sizes, more in table:
        yield (name, *build(rng(name), *sizes, **more), sizes[3])

    r, attrs = rng("large_scores"), {"levels": 1, **dp}
    x, w = build(r, 2, 5, [(5, 3, 3)], attrs)
    x["g"] *= 60
    yield "large_scores", x, w, attrs

    r, attrs = rng("f16_bf16"), {"levels": 2}
    x, w = build(r, 2, 5, [(5, 3, 3), (3, 2, 1)], attrs, proj=[None, "l"])
    x = {"g": f16(x["g"]), "l1": bf16(x["l1"]), "l2": f16(x["l2"])}
    yield "f16_bf16", x, {name: bf16(t) for name, t in w.items()}, attrs
