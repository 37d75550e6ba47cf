# SPDX-License-Identifier: MIT
"""scale_attention: score maps of several scales, weighted by position (Chen et al., CVPR 2016)."""
import numpy as np

from common import REQUIRED, conv, pick, pointwise, relu, softmax
from draw import bf16, f16
from plain import resize_linear

DEFAULTS = {"scales": REQUIRED, "merge": "attention", "align_corners": True, "upsample": 1}
MERGES = ("attention", "avg", "max")


def resized(x, size, a):
    for axis, length in zip((2, 3), size):
        x = resize_linear(x, axis, length, None, a["align_corners"])
    return x


def all_scales(x, name, a):
    """Inputs <name>0, <name>1, .. at the size of the first: [S] of [N, C, h0, w0]."""
    maps = [x[f"{name}{s}"] for s in range(a["scales"])]
    for s, m in enumerate(maps):
        if m.shape[2:] != x[f"score{s}"].shape[2:]:
            raise ValueError(f"{name}{s} and score{s} differ in size")
    return maps[:1] + [resized(m, maps[0].shape[2:], a) for m in maps[1:]]


def run(x, w, a):
    scores, z = np.stack(all_scales(x, "score", a), axis=1), a["upsample"]
    out = {}
    if pick(a["merge"], MERGES, "merge") == "attention":
        joined = np.concatenate(all_scales(x, "feat", a), axis=1)
        hidden = relu(conv(joined, w["conv1.weight"], w["conv1.bias"], padding=1))
        out["attn"] = softmax(pointwise(w, "conv2", hidden), axis=1)
        out["fused"] = np.einsum("nshw,nskhw->nkhw", out["attn"], scores)
    else:
        out["fused"] = scores.mean(axis=1) if a["merge"] == "avg" else scores.max(axis=1)
    size = [(n - 1) * z + 1 if a["align_corners"] else n * z for n in scores.shape[3:]]
    return {**out, "y": resized(out["fused"], size, a)}


def build(r, n, cf, k, ca, sizes, unused=False, merge="attention"):
    x, w = {}, {}
    for s, size in enumerate(sizes):
        x[f"score{s}"] = r.normal(n, k, *size)
        if merge == "attention" or unused:
            x[f"feat{s}"] = r.normal(n, cf, *size)
    if merge == "attention" or unused:
        w = {**r.layer("conv1", ca, len(sizes) * cf, 3, 3),
             **r.layer("conv2", len(sizes), ca, 1, 1)}
    return x, w


def cases(rng):
    half, avg, top = {"align_corners": False}, {"merge": "avg"}, {"merge": "max"}
    table = [  # N, feature channels, classes, hidden channels, sizes of the scales, attributes
        ("defaults", (2, 3, 4, 5, [(7, 5), (5, 4)]), {}),
        ("all_given", (1, 2, 3, 4, [(5, 6), (4, 4), (3, 2)]), {
            "merge": "attention", "align_corners": True, "upsample": 1}),
        ("one_of_everything", (1, 1, 1, 1, [(1, 1)]), {}),
        ("one_scale", (2, 3, 2, 3, [(5, 3)]), {"upsample": 2}),
        ("five_scales", (1, 2, 3, 3, [(6, 7), (5, 5), (4, 3), (2, 2), (1, 1)]), {}),
        ("half_pixel", (2, 3, 4, 5, [(7, 5), (5, 4), (3, 3)]), half),
        ("larger_scales", (1, 2, 3, 4, [(4, 5), (9, 7), (4, 11)]), {}),
        ("larger_scales_half_pixel", (1, 2, 3, 4, [(4, 5), (9, 7), (4, 11)]), half),
        ("equal_sizes", (2, 2, 3, 4, [(3, 5), (3, 5)]), {}),
        ("upsample_3", (1, 2, 2, 3, [(4, 5), (3, 3)]), {"upsample": 3}),
        ("upsample_2_half_pixel", (2, 2, 2, 3, [(4, 3), (3, 2)]), {"upsample": 2, **half}),
        ("single_row", (2, 2, 3, 3, [(1, 7), (1, 4)]), {"upsample": 2}),
        ("single_row_half_pixel", (2, 2, 3, 3, [(1, 7), (3, 4)]), {"upsample": 3, **half}),
        ("to_a_single_column", (1, 2, 3, 3, [(5, 1), (3, 4)]), {}),
        ("avg", (2, 0, 3, 0, [(5, 7), (4, 4), (2, 3)]), avg),
        ("avg_upsample", (1, 0, 3, 0, [(3, 4), (2, 2)]), {**avg, "upsample": 2}),
        ("avg_half_pixel", (1, 0, 2, 0, [(5, 4), (3, 2)]), {**avg, **half, "upsample": 4}),
        ("max", (2, 0, 3, 0, [(5, 7), (4, 4), (2, 3)]), top),
        ("max_upsample_half_pixel", (1, 0, 3, 0, [(3, 4), (2, 2)]), {**top, **half,
                                                                      "upsample": 2}),
        ("max_one_scale", (1, 0, 1, 0, [(3, 2)]), top),
        ("wide_conv", (1, 3, 2, 19, [(9, 7), (5, 4), (4, 3)]), {}),
    ]
    for name, sizes, attrs in table:
        merge = attrs.get("merge", "attention")
        yield (name, *build(rng(name), *sizes, merge=merge), {"scales": len(sizes[4]), **attrs})

    for name, attrs in (("avg_unused_features", avg), ("max_unused_features", top)):
        yield (name, *build(rng(name), 1, 2, 3, 3, [(4, 3), (2, 2)], unused=True),
               {"scales": 2, **attrs})
    r = rng("large_logits")
    x, w = build(r, 1, 2, 3, 3, [(4, 5), (3, 3)])
    w["conv2.weight"] *= 60
    yield "large_logits", x, w, {"scales": 2}
    r = rng("f16_bf16_y_only")
    x, w = build(r, 2, 3, 2, 4, [(5, 4), (3, 3)])
    yield "f16_bf16_y_only", {name: f16(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, {"scales": 2}, ["y"]
