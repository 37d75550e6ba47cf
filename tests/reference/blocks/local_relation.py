# SPDX-License-Identifier: MIT
"""local_relation: Local Relation Layer of LR-Net (Hu et al., ICCV 2019)."""
import numpy as np

from common import REQUIRED, pick, pointwise, relu, softmax
from draw import bf16, f16
from windows import centred, inside, windows

DEFAULTS = {"kernel_size": 7, "stride": 1, "dilation": 1, "groups": REQUIRED, "qk_channels": None,
            "similarity": "sq_diff", "scale": 1.0, "pad_value": -100.0, "geometry": "mlp",
            "saliency": 0, "out_proj": True}
TERMS = {
    "product": lambda a, b: a * b,
    "key_only": lambda a, b: b,
    "abs_diff": lambda a, b: -np.abs(a - b),
    "norm_abs_diff": lambda a, b: -np.abs(a - b) / (np.abs(a) + np.abs(b) + 1),
    "norm_sq_diff": lambda a, b: -(a - b) ** 2 / (np.abs(a * b) + 1),
    "sq_diff": lambda a, b: -(a - b) ** 2,
    "none": None,
}


def similarity(x, w, a, at):
    """[N, G, taps, Ho, Wo]; what it says of taps outside is not used."""
    term, groups = TERMS[pick(a["similarity"], TERMS, "similarity")], a["groups"]
    if term is None:
        return np.zeros((1, groups, 1, 1, 1), x.dtype)
    channels = groups if a["qk_channels"] is None else a["qk_channels"]
    depth, s, q = channels // groups, a["stride"], None
    keys = windows(pointwise(w, "key", x), *at)
    if a["similarity"] != "key_only":
        q = pointwise(w, "query", x[:, :, ::s, ::s])
        q = q.reshape((len(x), groups, depth, 1) + q.shape[2:])
    k = keys[:, :channels].reshape((len(x), groups, depth) + keys.shape[2:])
    sim = a["scale"] * term(q, k).sum(axis=2)
    if a["saliency"]:
        sim = sim + depth * keys[:, [channels + g * a["saliency"] // groups
                                     for g in range(groups)]]
    return sim


def geometry(w, a, dtype):
    """[G, taps], or 0."""
    k = a["kernel_size"]
    kind = pick(a["geometry"], ("mlp", "table", "none"), "geometry")
    if kind == "none":
        return np.zeros((1, 1), dtype)
    if kind == "table":
        return w["pos_weight"].reshape(-1, k * k)
    rows, cols = np.mgrid[:k, :k] - k // 2
    grid = np.stack([cols, -rows]).astype(dtype)[None]
    return pointwise(w, "geometry.fc2", relu(pointwise(w, "geometry.fc1", grid))).reshape(-1, k * k)


def run(x, w, a):
    x, k, groups = x["x"], a["kernel_size"], a["groups"]
    if k % 2 == 0:
        raise ValueError(f"kernel_size {k} is even")
    if x.shape[1] % groups:
        raise ValueError(f"groups {groups} does not divide {x.shape[1]} channels")
    at = [centred(n, k, a["stride"], a["dilation"]) for n in x.shape[2:]]
    logits = np.where(inside(*at, x.shape[2:]), similarity(x, w, a, at), a["pad_value"])
    logits = logits + geometry(w, a, x.dtype)[:, :, None, None]
    attn = np.broadcast_to(softmax(logits, axis=2), x.shape[:1] + logits.shape[1:])
    z = (np.repeat(attn, x.shape[1] // groups, axis=1) * windows(x, *at)).sum(axis=2)
    return {"y": pointwise(w, "proj", z) if a["out_proj"] else z, "attn": attn}


def weights(r, c, attrs, hidden=5):
    a = {**DEFAULTS, **attrs}
    g, k, w = a["groups"], a["kernel_size"], {}
    q = g if a["qk_channels"] is None else a["qk_channels"]
    if a["similarity"] not in ("key_only", "none"):
        w.update(r.layer("query", q, c, 1, 1))
    if a["similarity"] != "none":
        w.update(r.layer("key", q + a["saliency"], c, 1, 1))
    if a["geometry"] == "mlp":
        w.update({**r.layer("geometry.fc1", hidden, 2, 1, 1),
                  **r.layer("geometry.fc2", g, hidden, 1, 1)})
    if a["geometry"] == "table":
        w["pos_weight"] = r.normal(g, k, k)
    return {**w, **r.layer("proj", c, c, 1, 1)} if a["out_proj"] else w


def table():
    near, given = {"kernel_size": 3, "pad_value": -2.0}, {**DEFAULTS, "kernel_size": 3}
    free, bare = {"geometry": "table"}, {"geometry": "none"}
    return [
        ("defaults", (1, 6, 5, 3), {"groups": 2}),
        ("all_given", (2, 6, 3, 5), {**given, "groups": 3, "qk_channels": 3}),
        ("one_of_everything", (1, 1, 1, 1), {"groups": 1, "kernel_size": 1}),
        ("product", (2, 9, 5, 4), {**near, "groups": 3, "similarity": "product"}),
        ("product_long_queries", (1, 10, 3, 5), {**near, "groups": 5, "qk_channels": 15,
                                                 "similarity": "product", "scale": 0.3, **free}),
        ("key_only", (2, 6, 3, 5), {**near, "groups": 2, "qk_channels": 6,
                                    "similarity": "key_only"}),
        ("abs_diff", (2, 6, 4, 5), {**near, "groups": 3, "similarity": "abs_diff", **free}),
        ("norm_abs_diff", (1, 8, 5, 5), {**near, "groups": 4, "qk_channels": 12,
                                         "similarity": "norm_abs_diff", **bare}),
        ("norm_sq_diff", (2, 6, 5, 3), {**near, "groups": 2, "qk_channels": 4,
                                        "similarity": "norm_sq_diff", "scale": 1.7}),
        ("sq_diff_long_queries", (1, 6, 5, 7), {**near, "groups": 2, "qk_channels": 10, **free,
                                                "scale": 0.1}),
        ("none_mlp", (2, 6, 5, 3), {**near, "groups": 3, "similarity": "none"}),
        ("none_bare", (2, 4, 3, 4), {**near, "groups": 2, "similarity": "none", **bare}),
        ("none_ignores_saliency", (1, 4, 3, 4), {**near, "groups": 2, "similarity": "none",
                                                 "saliency": 3, **free}),
        ("saliency_one", (1, 9, 3, 5), {**near, "groups": 3, "saliency": 1}),
        ("saliency_fewer", (1, 10, 3, 4), {**near, "groups": 5, "qk_channels": 10, "saliency": 2,
                                           "scale": 0.5, "similarity": "product"}),
        ("saliency_more", (2, 6, 3, 4), {**near, "groups": 3, "saliency": 7, **free,
                                         "similarity": "key_only", "qk_channels": 6}),
        ("stride_2", (2, 6, 6, 5), {**near, "groups": 3, "stride": 2}),
        ("stride_3_dilation_2", (1, 5, 8, 7), {**near, "groups": 5, "stride": 3, "dilation": 2,
                                               "similarity": "product"}),
        ("dilation_3", (1, 4, 5, 7), {**near, "groups": 2, "dilation": 3, "pad_value": 0.5}),
        ("window_over_map", (1, 4, 2, 3), {"groups": 2, "kernel_size": 9, "pad_value": -1.0,
                                           "similarity": "product"}),
        ("kernel_1", (2, 6, 3, 3), {"groups": 2, "kernel_size": 1, "stride": 2}),
        ("one_group", (2, 7, 3, 5), {**near, "groups": 1, "qk_channels": 3}),
        ("group_a_channel", (1, 7, 4, 3), {**near, "groups": 7}),
        ("no_projection", (2, 6, 5, 3), {**near, "groups": 3, "out_proj": False}),
        ("row", (1, 4, 1, 13), {**near, "groups": 2, "kernel_size": 5}),
        ("column", (1, 4, 11, 1), {"groups": 2, "kernel_size": 5, "stride": 2}),
    ]


def cases(rng):
    for name, shape, attrs in table():
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r, attrs = rng("outside_beats_inside"), {"groups": 1, "kernel_size": 3, "geometry": "none"}
    w = {"query.weight": np.array([[1.0, 0.0]]), "key.weight": np.array([[0.0, 1.0]]),
         "query.bias": np.array([-6.0]), "key.bias": np.array([5.0])}
    w = {k: t.reshape(t.shape + (1,) * (2 * t.ndim - 2)) for k, t in w.items()}
    x = r.ints(-1, 2, 1, 2, 4, 5).astype(float)  # whole logits, -81 to -169
    yield "outside_beats_inside", {"x": x}, {**w, **r.layer("proj", 2, 2, 1, 1)}, attrs

    r, attrs = rng("unused_weights"), {"groups": 2, "kernel_size": 3, "similarity": "none",
                                       "geometry": "none", "out_proj": False, "saliency": 1}
    unused = {"groups": 2, "kernel_size": 3, "similarity": "sq_diff", "saliency": 1}
    yield "unused_weights", {"x": r.normal(1, 4, 3, 4)}, weights(r, 4, unused), attrs

    r, attrs = rng("large_logits"), {"groups": 2, "kernel_size": 3, "similarity": "product"}
    yield "large_logits", {"x": r.normal(1, 4, 3, 5, scale=6.0)}, weights(r, 4, attrs), attrs

    r, attrs = rng("f16_bf16_y_only"), {"groups": 3, "kernel_size": 5}
    w = {name: bf16(t) for name, t in weights(r, 6, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 6, 7, 5))}, w, attrs, ["y"]
