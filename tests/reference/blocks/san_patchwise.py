# SPDX-License-Identifier: MIT
"""san_patchwise: patchwise self-attention of SAN (Zhao et al., CVPR 2020)."""
import numpy as np

import san
from common import REQUIRED, pick, pointwise
from draw import bf16, f16
from windows import centred, reflected, windows

DEFAULTS = {"rel_channels": REQUIRED, "out_channels": REQUIRED, "share": 8, "kernel_size": 7,
            "relation": "concatenation", "bottleneck": False}


def features(f1, f2, at, relation):
    """[N, D, H, W]; the channel is slow, the tap fast."""
    near = windows(f2, *at)
    if relation == "star":
        return np.einsum("nchw,ncthw->nthw", f1, near)
    if relation == "clique":
        both = np.einsum("ncshw,ncthw->nsthw", windows(f1, *at), near)
        return both.reshape((len(f1), -1) + f1.shape[2:])
    return np.concatenate([f1, near.reshape((len(f1), -1) + f1.shape[2:])], axis=1)


def module(x, w, a):
    k, size = a["kernel_size"], x.shape[2:]
    if k // 2 > min(size) - 1:
        raise ValueError(f"reflection by {k // 2} in a map of {size}")
    at = [reflected(centred(n, k), n) for n in size]
    relation = pick(a["relation"], ("concatenation", "star", "clique"), "relation")
    f1, f2 = pointwise(w, "conv1", x), pointwise(w, "conv2", x)
    attn = san.weigh(w, features(f1, f2, at, relation))
    attn = attn.reshape((len(x), san.groups_of(a), k * k) + size)
    return san.aggregate(attn, windows(pointwise(w, "conv3", x), *at)), attn


def run(x, w, a):
    return san.wrapped(module, x["x"], w, a)


def weights(r, c, attrs):
    a = {**DEFAULTS, **attrs}
    inner, count, g = a["rel_channels"], a["kernel_size"] ** 2, san.groups_of(a)
    width = {"concatenation": inner * (count + 1), "star": count, "clique": count ** 2}
    w = {**san.embeddings(r, c, a), **san.network(r, width[a["relation"]], g, count * g)}
    return san.in_bottleneck(r, w, c, a)


def cases(rng):
    small = {"rel_channels": 2, "out_channels": 6, "share": 3, "kernel_size": 3}
    star, clique = {"relation": "star"}, {"relation": "clique"}
    table = [
        ("defaults", (1, 3, 4, 5), {"rel_channels": 2, "out_channels": 8}),
        ("all_given", (2, 5, 3, 4), {**DEFAULTS, **small}),
        ("one_of_everything", (1, 1, 1, 1), {"rel_channels": 1, "out_channels": 1, "share": 1,
                                             "kernel_size": 1}),
        ("concatenation", (2, 7, 5, 3), {**small, "rel_channels": 3}),
        ("concatenation_k5", (1, 3, 3, 5), {**small, "rel_channels": 1, "kernel_size": 5}),
        ("star", (2, 5, 5, 3), {**small, **star, "rel_channels": 5}),
        ("star_k7", (1, 3, 4, 5), {**small, **star, "kernel_size": 7}),
        ("star_k1", (2, 3, 1, 7), {**small, **star, "kernel_size": 1}),
        ("clique", (2, 5, 3, 4), {**small, **clique, "rel_channels": 3}),
        ("clique_k1", (2, 4, 5, 1), {**small, **clique, "kernel_size": 1}),
        ("clique_smallest_map", (1, 5, 2, 2), {**small, **clique}),
        ("share_1", (1, 5, 3, 4), {**small, "share": 1}),
        ("share_all", (2, 5, 4, 2), {**small, "share": 6}),
        ("bottleneck", (2, 7, 3, 5), {**small, "bottleneck": True}),
        ("bottleneck_star", (1, 5, 3, 3), {**small, **star, "share": 2, "bottleneck": True}),
        ("bottleneck_clique", (1, 4, 3, 2), {**small, **clique, "bottleneck": True}),
    ]
    for name, shape, attrs in table:
        r = rng(name)
        yield name, {"x": r.normal(*shape)}, weights(r, shape[1], attrs), attrs

    r, attrs = rng("f16_bf16_y_only"), {**small, "out_channels": 9}
    w = {name: bf16(t) for name, t in weights(r, 5, attrs).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 5, 5, 7))}, w, attrs, ["y"]
