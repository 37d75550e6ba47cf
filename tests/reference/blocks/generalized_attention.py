# SPDX-License-Identifier: MIT
"""generalized_attention: attention of four switchable terms (Zhu et al., ICCV 2019)."""
import math

import numpy as np

from common import linear, pointwise, positions, softmax
from draw import bf16, f16
from plain import resize_linear

DEFAULTS = {"attention_type": "1111", "num_heads": 9, "position_embedding_dim": -1,
            "position_magnitude": 1, "kv_stride": 2, "q_stride": 1, "spatial_range": -1}
LIMIT = 220000  # bytes: a spatial range is only defined for 256 channels and more
REACH = {256: 84, 512: 42}  # the side of the map that the reference prepares, by channels


def terms_of(a):
    kind = a["attention_type"]
    if len(kind) != 4 or set(kind) - set("01") or kind == "0000":
        raise ValueError(f"attention_type is {kind!r}")
    return [digit == "1" for digit in kind]


def by_head(t, heads):
    """[N, Co, H, W] to [N, M, d, H, W]."""
    return t.reshape((len(t), heads, -1) + t.shape[2:])


def geometry(weight, queries, keys, a, channels):
    """Position features along one axis: [queries, keys, M, d]."""
    p = a["position_embedding_dim"] if a["position_embedding_dim"] > 0 else channels
    if p % 4:
        raise ValueError(f"position_embedding_dim {p} is no multiple of 4")
    delta = np.arange(queries)[:, None] * a["q_stride"] - np.arange(keys) * a["kv_stride"]
    angle = delta[:, :, None] * a["position_magnitude"] / 1000 ** (4 * np.arange(p // 4) / p)
    features = np.concatenate([np.sin(angle), np.cos(angle)], axis=2).astype(weight.dtype)
    return (linear(features, weight) / math.sqrt(2)).reshape(queries, keys, a["num_heads"], -1)


def near(q_size, k_size, channels, a):
    """[Hq, Wq, Hk, Wk]: which pairs the spatial range leaves."""
    reach, stride, axes = REACH[channels], a["kv_stride"], []
    if max(q_size) > reach or max(k_size) > (reach - 1) // stride + 1:
        raise ValueError(f"spatial_range on maps of {q_size} and {k_size}, {channels} channels")
    for queries, keys in zip(q_size, k_size):
        at = np.arange(queries)[:, None]
        first = np.maximum((at - a["spatial_range"]) // stride, 0)
        end = np.minimum((at + a["spatial_range"] + 1) // stride + 1, reach)
        axes.append((np.arange(keys) >= first) & (np.arange(keys) < end))
    return axes[0][:, None, :, None] & axes[1][None, :, None, :]


def energy(q, k, w, size, channels, a):
    """[N, M, Hq, Wq, Hk, Wk]; size is that of the query map."""
    content, query_place, key_content, place = terms_of(a)
    heads, total = a["num_heads"], 0
    if content:
        total = total + np.einsum("nmdhw,nmdgv->nmhwgv", q, k)
    if key_content:
        total = total + np.einsum("md,nmdgv->nmgv", w["appr_bias"].reshape(heads, -1), k)[
            :, :, None, None]
    if query_place or place:
        keys = [(n - 1) // a["kv_stride"] + 1 for n in size["map"]]
        py, px = (geometry(w[f"appr_geom_fc_{axis}.weight"], *pair, a, channels)
                  for axis, pair in zip("yx", zip(size["q"], keys)))
    if query_place:
        total = total + np.einsum("nmdhw,hgmd->nmhwg", q, py)[..., None]
        total = total + np.einsum("nmdhw,wvmd->nmhwv", q, px)[:, :, :, :, None]
    if place:
        bias = w["geom_bias"].reshape(heads, -1)
        total = total + np.einsum("md,hgmd->mhg", bias, py)[None, :, :, None, :, None]
        total = total + np.einsum("md,wvmd->mwv", bias, px)[None, :, None, :, None]
    return total


def run(x, w, a):
    x, heads, kind = x["x"], a["num_heads"], a["attention_type"]
    n, c, height, width = x.shape
    if not 1 <= heads <= c:
        raise ValueError(f"num_heads {heads} with {c} channels")
    content, query_place, key_content, _ = terms_of(a)
    xq, xk = (x[:, :, ::a[name], ::a[name]] for name in ("q_stride", "kv_stride"))
    q = by_head(pointwise(w, "query_conv", xq), heads) if content or query_place else None
    k = by_head(pointwise(w, "key_conv", xk), heads) if content or key_content else None
    v = by_head(pointwise(w, "value_conv", xk), heads)
    q_size = (1, 1) if kind == "0010" else xq.shape[2:]
    e = energy(q, k, w, {"q": q_size, "map": (height, width)}, c, a)
    e = np.broadcast_to(e, (n, heads) + q_size + xk.shape[2:])
    if a["spatial_range"] >= 0:
        e = np.where(near(q_size, xk.shape[2:], c, a), e, -np.inf)
    attn = softmax(e.reshape(n, heads, int(np.prod(q_size)), -1))
    o = np.einsum("nmqk,nmdk->nmdq", attn, v.reshape(v.shape[:3] + (-1,)))
    o = pointwise(w, "proj_conv", o.reshape((n, -1) + q_size))
    if a["q_stride"] > 1:
        for axis, size in ((2, height), (3, width)):
            o = resize_linear(o, axis, size, None, False)
    return {"y": w["gamma"] * o + x, "attn": attn}


def weights(r, c, attrs):
    a, w = {**DEFAULTS, **attrs}, {}
    content, query_place, key_content, place = terms_of(a)
    co = c // a["num_heads"] * a["num_heads"]
    p = a["position_embedding_dim"] if a["position_embedding_dim"] > 0 else c
    for name, there in (("query", content or query_place), ("key", content or key_content),
                        ("value", True)):
        if there:
            w.update(r.layer(f"{name}_conv", co, c, 1, 1, bias=False))
    if query_place or place:
        for axis in "xy":
            w.update(r.layer(f"appr_geom_fc_{axis}", co, p // 2, bias=False))
    if key_content:
        w["appr_bias"] = r.normal(co)
    if place:
        w["geom_bias"] = r.normal(co)
    return {**w, **r.layer("proj_conv", c, co, 1, 1), "gamma": r.uniform(1, lo=0.4, hi=1.2)}


def table():
    kinds = [f"{i:04b}" for i in range(1, 16)]
    shapes = [(1, 8, 5, 3), (2, 4, 4, 3), (1, 8, 3, 7), (1, 12, 1, 5), (2, 8, 2, 3)]
    rows = [(f"type_{kind}", shapes[i % 5], {
        "attention_type": kind, "num_heads": (3, 4, 1, 5, 2)[i % 5], "kv_stride": i % 3 + 1})
        for i, kind in enumerate(kinds)]
    quarter, key_only = {"num_heads": 2, "q_stride": 2}, {"attention_type": "0010"}
    return rows + [
        ("defaults", (1, 12, 3, 5), {}),  # 9 heads of 12 channels: 3 are left out
        ("all_given", (2, 8, 3, 4), {**DEFAULTS, "num_heads": 4}),
        ("one_of_everything", (1, 1, 1, 1), {"num_heads": 1, "attention_type": "1010"}),
        ("one_pixel", (2, 4, 1, 1), {"num_heads": 4}),
        ("heads_of_one", (1, 8, 3, 3), {"num_heads": 8}),
        ("narrow_places", (1, 7, 5, 4), {"num_heads": 3, "position_embedding_dim": 4}),
        ("wide_places", (1, 6, 4, 5), {"num_heads": 2, "position_embedding_dim": 20,
                                       "position_magnitude": 3}),
        ("no_places_any_width", (1, 7, 4, 5), {"num_heads": 2, "attention_type": "1010",
                                               "position_embedding_dim": 6}),
        ("places_over_content", (2, 4, 3, 7), {"num_heads": 2, "attention_type": "0101",
                                               "kv_stride": 3, "position_magnitude": 2}),
        ("stride_q_2", (1, 8, 5, 7), quarter),
        ("stride_q_3_even", (2, 4, 6, 4), {**quarter, "q_stride": 3, "kv_stride": 1}),
        ("stride_q_over_map", (1, 4, 3, 2), {**quarter, "q_stride": 5, "kv_stride": 4}),
        ("key_only_q_2", (2, 5, 5, 4), {**key_only, "num_heads": 2, "q_stride": 2}),
        ("key_only_kv_1", (2, 5, 3, 7), {**key_only, "num_heads": 5, "kv_stride": 1}),
        ("row", (1, 8, 1, 13), {"num_heads": 2}),
        ("column", (1, 8, 11, 1), {"num_heads": 2, "q_stride": 2}),
    ]


def sparse(r, w):
    """Mostly zeros: the file is packed well where it is kept."""
    return {name: bf16(4 * t * r.true(*t.shape, p=0.04) if t.size > 9999 else t)
            for name, t in w.items()}


def cases(rng):
    for name, shape, attrs in table():
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    for name, shape, attrs in (
            ("range_1", (1, 256, 6, 3), {"attention_type": "0001", "q_stride": 2,
                                         "spatial_range": 1}),
            ("range_1_key_only", (1, 256, 4, 4), {"attention_type": "0010", "spatial_range": 1,
                                                  "kv_stride": 1})):
        r, attrs = rng(name), {**attrs, "num_heads": 129, "position_embedding_dim": 4}
        yield name, {"x": f16(r.normal(*shape))}, sparse(r, weights(r, 256, attrs)), attrs, \
            ["attn"]

    r, attrs = rng("unused_weights"), {"attention_type": "0001", "num_heads": 2}
    yield "unused_weights", {"x": r.normal(1, 4, 3, 4)}, weights(r, 4, {"num_heads": 2}), attrs

    r, attrs = rng("large_logits"), {"num_heads": 2}
    yield "large_logits", {"x": r.normal(1, 8, 3, 5, scale=8.0)}, weights(r, 8, attrs), attrs

    r, attrs = rng("f16_bf16_y_only"), {"num_heads": 3, "q_stride": 2}
    w = {name: bf16(t) for name, t in weights(r, 8, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 8, 5, 7))}, w, attrs, ["y"]
