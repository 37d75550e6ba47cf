# SPDX-License-Identifier: MIT
"""sagan: self-attention of SAGAN (Zhang et al., ICML 2019)."""
import numpy as np

from common import max_pool, pointwise, positions, softmax
from draw import bf16, f16

DEFAULTS = {"pool": False, "out_conv": False}


def run(x, w, a):
    x = x["x"]
    q, k, v = (pointwise(w, name, x) for name in ("query", "key", "value"))
    if a["pool"]:
        k, v = max_pool(k, 2, 2), max_pool(v, 2, 2)
    attn = softmax(np.einsum("nci,ncj->nij", positions(q), positions(k)))
    o = np.einsum("nij,ncj->nci", attn, positions(v)).reshape(v.shape[:2] + x.shape[2:])
    if a["out_conv"]:
        o = pointwise(w, "out", o)
    return {"y": w["gamma"] * o + x, "attn": attn}


def weights(r, c, cqk, cv, out, bias=True):
    w = {"gamma": r.uniform(1, lo=0.4, hi=1.2)}
    for name, width in (("query", cqk), ("key", cqk), ("value", cv)):
        w.update(r.layer(name, width, c, 1, 1, bias=bias))
    if out:
        w.update(r.layer("out", c, cv, 1, 1, bias=bias))
    return w


def cases(rng):
    pool, out = {"pool": True}, {"out_conv": True}
    table = [  # shape, query and key channels, value channels, biases
        ("defaults", (2, 9, 3, 5), 2, 9, True, {}),
        ("all_given", (1, 8, 3, 3), 1, 8, True, {"pool": False, "out_conv": False}),
        ("one_of_everything", (1, 1, 1, 1), 1, 1, True, {}),
        ("no_bias", (2, 7, 5, 3), 3, 7, False, {}),
        ("tensorflow_form", (2, 16, 4, 6), 2, 8, False, {**pool, **out}),
        ("tensorflow_form_odd", (1, 10, 5, 7), 1, 5, True, {**pool, **out}),
        ("paper_form", (2, 11, 3, 4), 3, 3, False, out),
        ("pool_no_out", (1, 5, 3, 2), 2, 5, True, pool),  # one key
        ("more_value_channels", (1, 3, 4, 3), 5, 7, True, out),
        ("row", (2, 4, 1, 13), 2, 4, True, {}),
    ]
    for name, shape, cqk, cv, bias, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, \
            weights(r, shape[1], cqk, cv, "out_conv" in attrs and attrs["out_conv"], bias), attrs

    r = rng("some_biases")
    w = weights(r, 6, 2, 4, True)
    del w["query.bias"], w["out.bias"]
    yield "some_biases", {"x": r.normal(1, 6, 3, 5)}, w, out

    r = rng("large_logits")
    w = weights(r, 5, 3, 5, False)
    w["key.weight"] *= 15
    yield "large_logits", {"x": r.normal(2, 5, 3, 3)}, w, {}

    r = rng("gamma_0")
    yield "gamma_0", {"x": r.normal(1, 5, 3, 3)}, \
        {**weights(r, 5, 1, 5, False), "gamma": np.zeros(1)}, {}

    for name, pooled in (("gamma_negative", False), ("pool_gamma_negative", True)):
        r = rng(name)
        w = {**weights(r, 5, 2, 5, False), "gamma": np.full(1, -0.75)}
        yield name, {"x": r.normal(2, 5, 4, 6)}, w, {"pool": pooled}

    r = rng("f16_bf16_y_only")
    w = {name: bf16(t) for name, t in weights(r, 7, 2, 7, False).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(1, 7, 5, 3))}, w, {}, ["y"]
