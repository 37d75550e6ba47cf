# SPDX-License-Identifier: MIT
"""context_transformer: prior boxes attend to pooled class scores (Yang et al., AAAI 2020)."""
import numpy as np

from common import REQUIRED, layer, linear, pick, softmax
from draw import bf16, f16

DEFAULTS = {"sources": REQUIRED, "k": REQUIRED, "pool_kernel": None, "pool_stride": None,
            "setting": "transfer", "softmax": False}
POOLS = [3, 2, 2, 2, 1, 1]


def features(maps, k):
    """[N, A*K, H, W] of each scale to [N, P, K], anchors fastest, then columns, rows, scales."""
    for m in maps:
        if m.shape[1] % k:
            raise ValueError(f"{m.shape[1]} channels are no multiple of k {k}")
    return np.concatenate([m.transpose(0, 2, 3, 1).reshape(len(m), -1, k) for m in maps], axis=1)


def starts(n, k, s):
    """Where the windows along an axis begin; an axis shorter than a window has one."""
    count = max(-(-(n - k) // s) + 1, 1)
    return range(0, (count - 1 if (count - 1) * s >= n else count) * s, s)


def pool(x, k, s):
    """Maxima of windows that the map's end may cut."""
    rows = [x[:, :, i:i + k].max(axis=2) for i in starts(x.shape[2], k, s)]
    x = np.stack(rows, axis=2)
    return np.stack([x[..., j:j + k].max(axis=3) for j in starts(x.shape[3], k, s)], axis=3)


def per_scale(a, name):
    values = POOLS[:a["sources"]] if a[name] is None else a[name]
    if len(values) != a["sources"]:
        raise ValueError(f"{name} has {len(values)} entries for {a['sources']} sources")
    return values


def run(x, w, a):
    maps = [x[f"conf{i}"] for i in range(a["sources"])]
    pooled = [pool(*each) for each in zip(maps, per_scale(a, "pool_kernel"),
                                          per_scale(a, "pool_stride"))]
    priors, contexts = features(maps, a["k"]), features(pooled, a["k"])
    t = layer(w, "theta", priors) + priors
    p, v = layer(w, "phi", contexts) + contexts, layer(w, "g", contexts) + contexts
    attn = softmax(np.einsum("nik,njk->nij", t, p))
    delta = np.einsum("nij,njk->nik", attn, v) * w["wz"]
    z = priors + delta
    z = z / np.sqrt((z * z).sum(axis=2, keepdims=True))
    y = linear(z, w["obj_target.weight"]) * w["scale"]
    if pick(a["setting"], ("transfer", "incre"), "setting") == "incre":
        y = np.concatenate([layer(w, "fc_base", priors) + priors, y], axis=2)
    out = {"y": y, "attn": attn, "delta": delta}
    return {**out, "scores": softmax(y)} if a["softmax"] else out


def build(r, attrs, n, targets, maps):
    """maps: (anchors, height, width) of each scale."""
    k = attrs["k"]
    x = {f"conf{i}": r.normal(n, anchors * k, h, wd) for i, (anchors, h, wd) in enumerate(maps)}
    w = {**r.layer("theta", k, k), **r.layer("phi", k, k), **r.layer("g", k, k),
         "wz": r.normal(k), "obj_target.weight": r.normal(targets, k, scale=k ** -0.5),
         "scale": r.uniform(1, lo=2.0, hi=5.0)}
    if attrs.get("setting") == "incre":
        w.update(r.layer("fc_base", k, k))
    return x, w


def cases(rng):
    incre = {"setting": "incre"}
    table = [  # attributes without "sources", N, target classes, (anchors, height, width) a scale
        ("defaults", {"k": 5}, 2, 3, [(2, 5, 4)]),
        ("all_given", {"k": 3, "pool_kernel": [3], "pool_stride": [3], "setting": "transfer",
                       "softmax": False}, 1, 4, [(1, 4, 7)]),
        ("one_of_everything", {"k": 1}, 1, 1, [(1, 1, 1)]),
        ("softmax", {"k": 5, "softmax": True}, 3, 4, [(2, 3, 3), (1, 2, 2)]),
        ("incre", {"k": 4, **incre}, 2, 3, [(2, 4, 3)]),
        ("incre_softmax", {"k": 3, **incre, "softmax": True}, 2, 5, [(1, 5, 3), (3, 2, 2)]),
        ("six_scales", {"k": 2}, 1, 3, [(2, 7, 5), (1, 5, 5), (2, 3, 3), (1, 2, 3), (2, 3, 1),
                                        (1, 1, 1)]),
        ("seven_scales", {"k": 2, "pool_kernel": [2, 3, 2, 1, 1, 2, 4],
                          "pool_stride": [2, 2, 1, 1, 2, 3, 1]}, 1, 2,
         [(1, 5, 4), (1, 4, 4), (2, 3, 3), (1, 2, 2), (1, 3, 2), (1, 2, 3), (1, 4, 5)]),
        ("kernel_beyond_map", {"k": 3, "pool_kernel": [5, 2], "pool_stride": [1, 4]}, 2, 3,
         [(2, 2, 3), (1, 1, 5)]),
        ("stride_beyond_kernel", {"k": 3, "pool_kernel": [1, 2], "pool_stride": [3, 5]}, 2, 3,
         [(1, 3, 7), (1, 6, 8)]),
        ("overlapping_windows", {"k": 3, "pool_kernel": [3], "pool_stride": [2]}, 2, 2,
         [(1, 6, 8)]),
        ("kernels_alone", {"k": 3, "pool_kernel": [2, 3]}, 1, 2, [(1, 7, 4), (2, 5, 3)]),
        ("strides_alone", {"k": 3, "pool_stride": [2, 1]}, 1, 2, [(1, 7, 4), (2, 5, 3)]),
        ("one_feature", {"k": 1, **incre, "softmax": True}, 2, 3, [(3, 4, 3)]),
        ("many_priors", {"k": 3}, 1, 2, [(1, 9, 11), (1, 5, 5)]),
    ]
    for name, attrs, n, targets, maps in table:
        attrs = {"sources": len(maps), **attrs}
        yield (name, *build(rng(name), attrs, n, targets, maps), attrs)

    base = {"sources": 1, "k": 4}
    for name, attrs in (("zero_prior", {**base, "softmax": True}),
                        ("zero_prior_incre", {**base, **incre})):
        x, w = build(rng(name), attrs, 2, 3, [(1, 4, 3)])  # NaN in its row, nowhere else
        x["conf0"][1, :, 2, 1], w["wz"] = 0, np.zeros(4)
        yield name, x, w, attrs
    r = rng("large_logits")
    x, w = build(r, base, 2, 3, [(2, 3, 4)])
    x["conf0"] *= 20
    yield "large_logits", x, w, base
    r = rng("all_negative")
    x, w = build(r, base, 1, 3, [(2, 4, 5)])  # windows beyond the end hold no zeros
    x["conf0"] = -np.abs(x["conf0"]) - 1
    yield "all_negative", x, w, base
    r = rng("unused_base")
    yield ("unused_base", *build(r, {**base, **incre}, 1, 3, [(1, 3, 3)]), base)
    r = rng("f16_bf16_y_only")
    x, w = build(r, base, 2, 3, [(2, 4, 3)])
    yield "f16_bf16_y_only", {name: f16(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, base, ["y"]
