# SPDX-License-Identifier: MIT
"""crow: Cross-dimensional Weighting (Kalantidis et al., ECCV workshops 2016)."""
import numpy as np

from common import l2_normalize, linear, pick, positions
from draw import bf16, f16

DEFAULTS = {"weighting": "crow", "a": 2.0, "b": 2.0, "normalize": True, "pca": False,
            "whiten": True}


def spatial_weights(flat, a):
    t = flat.sum(axis=1)
    z = (t ** a["a"]).sum(axis=1, keepdims=True) ** (1 / a["a"])
    return t / z if a["b"] == 1 else (t / z) ** (1 / a["b"])


def channel_weights(flat):
    q = (flat != 0).mean(axis=2)
    total = q.sum(axis=1, keepdims=True)
    return np.where(q > 0, np.log(total / np.where(q > 0, q, 1)), 0).astype(flat.dtype)


def run(x, w, a):
    x, out = x["x"], {}
    flat = positions(x)
    if pick(a["weighting"], ("crow", "ucrow"), "weighting") == "crow":
        s, gate = spatial_weights(flat, a), channel_weights(flat)
        out["attn_spatial"] = s.reshape(x.shape[:1] + (1,) + x.shape[2:])
        out["attn_channel"] = gate
        f = gate * np.einsum("np,ncp->nc", s, flat)
    else:
        f = flat.sum(axis=2)
    y = l2_normalize(f, 1) if a["normalize"] else f
    if a["normalize"] and a["pca"]:
        y = linear(y - w["pca.mean"], w["pca.components"])
        if a["whiten"]:
            y = y / np.sqrt(w["pca.variance"])
        y = l2_normalize(y, 1)
    return {"y": y, "aggregate": f, **out}


def sparse(r, *shape):
    """As after a ReLU: about half of the values are 0."""
    return np.maximum(r.normal(*shape, shift=0.1), 0)


def pca(r, c, d, whiten=True):
    w = {"pca.mean": r.normal(c, scale=0.1), "pca.components": r.normal(d, c, scale=c ** -0.5)}
    if whiten:
        w["pca.variance"] = r.uniform(d, lo=0.01, hi=2.0)
    return w


def cases(rng):
    plain, project = {"weighting": "ucrow"}, {"pca": True}
    table = [
        ("defaults", (2, 13, 5, 3), {}, None),
        ("all_given", (1, 7, 3, 4), dict(DEFAULTS), None),
        ("a_and_b", (2, 5, 3, 7), {"a": 3.0, "b": 1.5}, None),
        ("b_1", (2, 5, 3, 5), {"a": 0.5, "b": 1.0}, None),
        ("a_1_b_half", (1, 6, 5, 2), {"a": 1.0, "b": 0.5}, None),
        ("not_normalized", (3, 9, 2, 5), {"normalize": False}, None),
        ("ucrow", (2, 11, 3, 5), plain, None),
        ("ucrow_not_normalized", (2, 5, 7, 1), {**plain, "normalize": False}, None),
        ("one_pixel", (2, 5, 1, 1), {}, None),
        ("pca", (2, 11, 5, 3), project, 5),
        ("pca_all_components", (2, 7, 3, 3), {**project, "whiten": True}, 7),
        ("pca_one_component", (3, 6, 3, 3), project, 1),
        ("pca_not_whitened", (2, 9, 3, 4), {**project, "whiten": False}, 4),
        ("pca_ucrow", (1, 8, 3, 5), {**project, **plain}, 3),
        ("pca_ignored", (1, 5, 3, 3), {**project, "normalize": False}, None),
    ]
    for name, shape, attrs, d in table:
        r = rng(name)
        w = pca(r, shape[1], d, attrs.get("whiten", True)) if d else {}
        yield name, {"x": sparse(r, *shape)}, w, attrs

    r = rng("unused_pca")
    yield "unused_pca", {"x": sparse(r, 1, 5, 3, 3)}, pca(r, 5, 3), {}

    r = rng("one_channel")  # its weight is ln 1 = 0: a zero vector
    yield "one_channel", {"x": np.abs(r.normal(2, 1, 3, 3)) + 0.1}, {}, {}

    r = rng("dead_channels")
    x = sparse(r, 2, 6, 5, 3)
    x[0, 2], x[1, :4], x[:, 5] = 0, 0, 1.0
    yield "dead_channels", {"x": x}, {}, {}

    r = rng("zero_sample")  # NaN in sample 1, nowhere else
    x = sparse(r, 3, 5, 3, 3)
    x[1] = 0
    yield "zero_sample", {"x": x}, {}, {}
    r = rng("zero_sample_ucrow")
    x = sparse(r, 3, 5, 3, 3)
    x[1] = 0
    yield "zero_sample_ucrow", {"x": x}, {}, plain

    r = rng("negative_totals")  # even power, no root: finite
    yield "negative_totals", {"x": r.normal(2, 4, 3, 3, shift=0.3)}, {}, {"b": 1.0}
    r = rng("negative_totals_root")  # NaN where a total is negative
    yield "negative_totals_root", {"x": r.normal(2, 4, 3, 3)}, {}, {}

    for name, kind in (("x_f16", f16), ("x_bf16", bf16)):
        yield name, {"x": kind(sparse(rng(name), 2, 7, 3, 5))}, {}, {}
