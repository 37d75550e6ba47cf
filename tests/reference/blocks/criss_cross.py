# SPDX-License-Identifier: MIT
"""criss_cross: attention along row and column of CCNet (Huang et al., ICCV 2019)."""
import numpy as np

from common import pointwise, softmax
from draw import bf16, f16

DEFAULTS = {"recurrence": 2}


def attended(z, w):
    """One pass: returns (output, column weights, row weights)."""
    q, k, v = (pointwise(w, name, z) for name in ("query", "key", "value"))
    height = z.shape[2]
    column = np.einsum("nchw,ncgw->nhwg", q, k)
    column = np.where(np.eye(height, dtype=bool)[None, :, None, :], -np.inf, column)
    row = np.einsum("nchw,nchg->nhwg", q, k)
    both = softmax(np.concatenate([column, row], axis=3))
    attn_h, attn_w = both[..., :height], both[..., height:]
    o = np.einsum("nhwg,ncgw->nchw", attn_h, v) + np.einsum("nhwg,nchg->nchw", attn_w, v)
    return w["gamma"] * o + z, attn_h, attn_w


def run(x, w, a):
    z = x["x"]
    for _ in range(a["recurrence"]):
        z, attn_h, attn_w = attended(z, w)
    return {"y": z, "attn_h": attn_h, "attn_w": attn_w}


def weights(r, c, cqk):
    return {**r.layer("query", cqk, c, 1, 1), **r.layer("key", cqk, c, 1, 1),
            **r.layer("value", c, c, 1, 1), "gamma": r.uniform(1, lo=0.3, hi=0.8)}


def cases(rng):
    table = [
        ("defaults", (2, 8, 5, 3), 1, {}),
        ("given", (1, 9, 4, 5), 2, {"recurrence": 2}),
        ("one_pass", (2, 5, 3, 7), 3, {"recurrence": 1}),
        ("three_passes", (1, 6, 5, 4), 2, {"recurrence": 3}),
        ("one_of_everything", (1, 1, 1, 1), 1, {}),
        ("one_row", (2, 5, 1, 9), 2, {}),
        ("one_column", (2, 5, 11, 1), 2, {"recurrence": 1}),
        ("one_column_twice", (1, 3, 4, 1), 2, {}),
        ("more_query_channels", (1, 3, 4, 3), 7, {"recurrence": 1}),
        ("long_row", (1, 3, 2, 35), 2, {"recurrence": 1}),
    ]
    for name, shape, cqk, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], cqk), attrs
    r = rng("large_logits")
    w = weights(r, 4, 2)
    w["query.weight"] *= 100
    yield "large_logits", {"x": r.normal(2, 4, 3, 5)}, w, {"recurrence": 1}
    r = rng("gamma_negative")
    w = {**weights(r, 4, 2), "gamma": np.array([-0.6])}
    yield "gamma_negative", {"x": r.normal(1, 4, 3, 5)}, w, {}
    r = rng("f16_bf16_y_only")
    w = {name: bf16(t) for name, t in weights(r, 7, 2).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(1, 7, 5, 3))}, w, {}, ["y"]
