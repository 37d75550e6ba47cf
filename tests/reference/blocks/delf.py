# SPDX-License-Identifier: MIT
"""delf: attention head, pooling and keypoint selection of DELF (Noh et al., ICCV 2017)."""
import numpy as np

from common import batch_norm, conv, linear, pick, positions, relu, softplus
from draw import bf16, f16
from safetensors import rounded

DEFAULTS = {"kernel_size": 1, "use_bn": True, "bn_eps": 1e-5, "attention_type": "l2",
            "select": False, "rf": 291.0, "rf_stride": 32.0, "rf_padding": 145.0,
            "scales": [1.0], "score_threshold": 100.0, "iou_threshold": 1.0,
            "max_feature_num": 1000, "use_pca": False, "pca_dim": 40, "use_whitening": False}


def head(x, w, a):
    """(score, attn)."""
    pad = a["kernel_size"] // 2
    t = conv(x, w["conv1.weight"], w.get("conv1.bias"), padding=pad)
    if a["use_bn"]:
        t = batch_norm(w, "bn1", t, a["bn_eps"])
    score = conv(relu(t), w["conv2.weight"], w["conv2.bias"], padding=pad)
    return score, softplus(score)


def unit(v, axis):
    return v / np.sqrt(np.maximum((v * v).sum(axis=axis, keepdims=True), 1e-12))


def candidates(maps, w, a):
    """Boxes, raw features, scores and feature scales of the positions above the threshold."""
    parts = []
    for x, scale in zip(maps, a["scales"]):
        scores = head(x, w, a)[1].reshape(-1)
        kept = np.flatnonzero(scores >= a["score_threshold"])
        corner = np.stack(np.unravel_index(kept, x.shape[2:]), axis=1) * a["rf_stride"] \
            - a["rf_padding"]
        box = np.concatenate([corner, corner + a["rf"] - 1], axis=1) / scale
        parts.append((box.reshape(-1, 4), positions(x)[0].T[kept], scores[kept],
                      np.full(len(kept), 1 / scale)))
    return [np.concatenate(each) for each in zip(*parts)]


def overlap(a, b):
    """Intersection over union of two boxes (y0, x0, y1, x1)."""
    area = [(t[2] - t[0]) * (t[3] - t[1]) for t in (a, b)]
    if min(area) <= 0:
        return 0.0
    inter = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return inter / (sum(area) - inter)


def chosen(boxes, scores, a):
    """Indices in the order taken; of equal scores the earlier one first."""
    taken = []
    for i in np.argsort(-scores, kind="stable"):
        if len(taken) == a["max_feature_num"]:
            break
        if all(overlap(boxes[i], boxes[j]) <= a["iou_threshold"] for j in taken):
            taken.append(i)
    return taken


def described(features, w, a):
    d = unit(features, 1)
    if not a["use_pca"]:
        return d
    d = linear(d - w["pca.mean"], w["pca.matrix"][:a["pca_dim"]])
    if a["use_whitening"]:
        d = d / np.sqrt(w["pca.variances"][:a["pca_dim"]])
    return unit(d, 1)


def selected(maps, w, a):
    if len(maps) != len(a["scales"]) or len(maps[0]) != 1:
        raise ValueError(f"{len(maps)} maps of {len(maps[0])} samples, {len(a['scales'])} scales")
    boxes, features, scores, scales = candidates(maps, w, a)
    taken, dtype = chosen(boxes, scores, a), maps[0].dtype

    def padded(rows):
        rows = rows[taken].astype(dtype)
        return np.pad(rows, [(0, a["max_feature_num"] - len(taken))] + [(0, 0)] * (rows.ndim - 1))
    return {"count": np.array([len(taken)], np.int32), "boxes": padded(boxes),
            "locations": padded((boxes[:, :2] + boxes[:, 2:]) / 2),
            "descriptors": padded(described(features, w, a)), "scores": padded(scores),
            "feature_scales": padded(scales)}


def run(x, w, a):
    normal = pick(a["attention_type"], ("l2", "raw"), "attention_type") == "l2"
    score, attn = head(x["x"], w, a)
    features = unit(x["x"], 1) if normal else x["x"]
    out = {"y": (attn * features).mean(axis=(2, 3)), "attn": attn, "score": score}
    if a["select"]:
        maps = [x["x"]] + [x[f"x_{i}"] for i in range(1, len(x))]
        out.update(selected(maps, w, a))
    return out


# Cases

def weights(r, c, hidden, attrs, bias=False, rows=None):
    a = {**DEFAULTS, **attrs}
    k = a["kernel_size"]
    w = {**r.layer("conv1", hidden, c, k, k, bias=bias), **r.layer("conv2", 1, hidden, k, k)}
    if a["use_bn"]:
        w.update(r.bn("bn1", hidden))
    if a["use_pca"]:
        w.update({"pca.mean": r.normal(c, scale=0.1),
                  "pca.matrix": r.normal(rows, c, scale=c ** -0.5)})
        if a["use_whitening"]:
            w["pca.variances"] = r.uniform(rows, lo=0.05, hi=2.0)
    return w


def scores_of(maps, w, a):
    """All scores, of the values as a file holds them, from the largest to the smallest."""
    w = {name: rounded(t).data.astype(np.float64) for name, t in w.items()}
    maps = [rounded(t).data.astype(np.float64) for t in maps]
    return -np.sort(-np.concatenate([head(t, w, a)[1].reshape(-1) for t in maps]))


def clear(r, shapes, c, hidden, attrs, above=None, **more):
    """Inputs, weights and attributes such that no rounding changes a choice: neighbouring scores
    lie apart, and the threshold, with `above` positions over it, lies between two of them."""
    a = {**DEFAULTS, **attrs}
    while True:
        maps = [np.maximum(r.normal(1, c, *shape, shift=0.3), 0) for shape in shapes]
        w = weights(r, c, hidden, attrs, **more)
        w["conv2.weight"] = 2 * w["conv2.weight"]
        scores = scores_of(maps, w, a)
        if np.diff(-scores).min(initial=np.inf) > 2e-4 * scores[0]:
            break
    if above is not None:
        middle = float(scores[above - 1] + scores[above]) / 2
        attrs = {**attrs, "score_threshold": round(middle, 5)}
    return {f"x_{i}" if i else "x": t for i, t in enumerate(maps)}, w, attrs


def pool_cases(rng):
    plain, wide, raw = {"use_bn": False}, {"kernel_size": 3}, {"attention_type": "raw"}
    table = [  # x, hidden channels, bias of conv1
        ("defaults", (2, 7, 5, 3), 5, False, {}),
        ("all_given", (1, 5, 4, 3), 3, False, {**DEFAULTS, "select": False}),
        ("one_of_everything", (1, 1, 1, 1), 1, False, {}),
        ("bias_and_norm", (2, 5, 3, 5), 4, True, {"bn_eps": 1e-3}),
        ("no_norm", (3, 5, 3, 4), 7, True, plain),
        ("no_norm_no_bias", (1, 5, 3, 4), 2, False, plain),
        ("raw", (2, 7, 3, 5), 5, False, raw),
        ("raw_no_norm_k3", (2, 3, 4, 5), 5, True, {**raw, **plain, **wide}),
        ("k3", (2, 4, 5, 3), 3, False, wide),
        ("k5_over_map", (1, 3, 2, 3), 4, True, {"kernel_size": 5}),
        ("k3_one_pixel", (2, 3, 1, 1), 3, False, wide),
        ("large_eps", (1, 5, 3, 4), 4, False, {"bn_eps": 0.3}),
    ]
    for name, shape, hidden, bias, attrs in table:
        r = rng(name)
        yield name, {"x": np.maximum(r.normal(*shape, shift=0.5), 0)}, \
            weights(r, shape[1], hidden, attrs, bias=bias), attrs

    r = rng("signed")
    yield "signed", {"x": r.normal(2, 5, 3, 5)}, weights(r, 5, 4, {}), {}

    r, x = rng("tiny_vectors"), np.ones((1, 4, 2, 3))
    x *= np.array([0, 1e-9, 4e-7, 6e-7, 1e-5, 1.0]).reshape(2, 3)  # the bound is at 1e-6 / 2
    yield "tiny_vectors", {"x": x * r.uniform(*x.shape, lo=0.9, hi=1.1)}, weights(r, 4, 3, {}), {}

    r = rng("large_scores")  # up to some hundreds, either sign
    w = weights(r, 5, 4, {})
    w["conv2.weight"] *= 150
    w["conv2.bias"] = np.array([130.0])
    yield "large_scores", {"x": r.normal(1, 5, 4, 5)}, w, {}

    r = rng("unused_weights")
    w = weights(r, 5, 4, {"use_pca": True, "use_whitening": True}, rows=5)
    yield "unused_weights", {"x": r.normal(1, 5, 4, 3)}, w, {"use_bn": False}

    r = rng("f16_bf16_y_only")
    w = {name: bf16(t) for name, t in weights(r, 8, 5, {}).items()}
    yield "f16_bf16_y_only", {"x": f16(r.normal(2, 8, 5, 7))}, w, {}, ["y"]


def select_table():
    near = {"select": True, "rf": 7.0, "rf_stride": 2.0, "rf_padding": 3.0}
    three = {**near, "scales": [1.0, 0.7071, 1.4142]}
    maps, pca = [(5, 4), (3, 3), (7, 5)], {"use_pca": True, "pca_dim": 3}
    return [  # sizes of the maps, channels, positions above the threshold
        ("select", [(5, 7)], 5, 12, {"select": True, "max_feature_num": 20}),
        ("select_all_given", [(4, 5)], 5, 9, {**DEFAULTS, "select": True, "max_feature_num": 11,
                                              "pca_dim": 5, "iou_threshold": 0.9}),
        ("select_fewer_than_above", [(5, 5)], 3, 17, {"select": True, "max_feature_num": 7}),
        ("select_one", [(4, 4)], 3, 9, {"select": True, "max_feature_num": 1}),
        ("select_one_position", [(1, 1)], 3, None, {"select": True, "max_feature_num": 3,
                                                    "score_threshold": 0.0}),
        ("select_everything", [(3, 5)], 4, None, {"select": True, "max_feature_num": 15,
                                                  "score_threshold": 0.0}),
        ("suppress", [(6, 5)], 4, 21, {**near, "iou_threshold": 0.3, "max_feature_num": 16}),
        ("suppress_full", [(6, 5)], 4, 21, {**near, "iou_threshold": 0.22, "max_feature_num": 3}),
        ("suppress_any_overlap", [(7, 5)], 3, 30, {**near, "iou_threshold": 0.0,
                                                   "max_feature_num": 13}),
        ("suppress_boxes_apart", [(4, 5)], 3, 13, {**near, "rf": 2.5, "iou_threshold": 0.0,
                                                   "max_feature_num": 20}),
        ("suppress_boxes_of_no_area", [(4, 5)], 3, 13, {**near, "rf": 1.0, "iou_threshold": 0.0,
                                                        "max_feature_num": 20}),
        ("scales", maps, 4, 31, {**three, "max_feature_num": 29}),
        ("scales_suppress", maps, 4, 40, {**three, "iou_threshold": 0.35, "max_feature_num": 23}),
        ("scales_default_boxes", maps[:2], 3, 20, {"select": True, "scales": [2.0, 0.5],
                                                   "iou_threshold": 0.6,
                                                   "max_feature_num": 9}),
        ("scales_k3_raw", maps[:2], 3, 17, {**near, "scales": [1.0, 0.5], "kernel_size": 3,
                                            "attention_type": "raw", "max_feature_num": 19}),
        ("pca", [(4, 5)], 5, 11, {**near, **pca, "max_feature_num": 13}),
        ("pca_one_dimension", [(3, 4)], 5, 7, {**near, **pca, "pca_dim": 1,
                                               "max_feature_num": 8}),
        ("pca_whiten", maps[:2], 6, 15, {**near, **pca, "scales": [1.0, 0.7], "pca_dim": 5,
                                         "use_whitening": True, "iou_threshold": 0.44,
                                         "max_feature_num": 12}),
        ("whiten_without_pca", [(4, 5)], 4, 9, {**near, "use_whitening": True,
                                                "max_feature_num": 10}),
    ]


def select_cases(rng):
    for name, shapes, c, above, attrs in select_table():
        r, bias = rng(name), name.startswith("suppress")
        x, w, attrs = clear(r, shapes, c, 5, {**attrs, "use_bn": not bias}, above, bias=bias,
                            rows=attrs.get("pca_dim", 0) + 2)
        yield name, x, w, attrs
    r = rng("select_nothing")
    x, w, attrs = clear(r, [(4, 3), (2, 3)], 3, 4, {
        "select": True, "scales": [1.0, 2.0], "score_threshold": 1e4, "max_feature_num": 5})
    yield "select_nothing", x, w, attrs
    r = rng("select_defaults")  # the threshold of 100, room for 1000
    x, w, attrs = clear(r, [(3, 5)], 3, 4, {"select": True})
    w["conv2.weight"] *= 60 / scores_of(list(x.values()), w, DEFAULTS)[7]
    w["conv2.bias"] = np.array([47.0])
    yield "select_defaults", x, w, attrs, ["count", "scores", "locations"]


def exact(r, shapes, rows):
    """Whole scores from 20 on, the same in any precision: softplus adds less than 1e-8."""
    maps = [r.ints(0, 3, 1, 3, *shape).astype(float) for shape in shapes]
    w = {"conv1.weight": np.eye(3).reshape(3, 3, 1, 1), "conv2.bias": np.array([20.0]),
         "conv2.weight": np.array(rows, float).reshape(1, 3, 1, 1)}
    return {f"x_{i}" if i else "x": t for i, t in enumerate(maps)}, w


def alike(r, shapes, kinds):
    """Positions of a few kinds, numbers of 12 binary places: exact in double, whatever the order
    of a sum, but not in single precision. Those of a kind must score alike all the same."""
    c, hidden = 37, 5

    def grid(t):
        return np.round(t * 4096) / 4096
    while True:
        columns = grid(np.abs(r.normal(c, kinds)))
        maps = [columns[:, r.ints(0, kinds, h * w)].reshape(1, c, h, w) for h, w in shapes]
        w = {"conv1.weight": grid(r.normal(hidden, c, 1, 1, scale=0.3)),
             "conv2.weight": grid(r.normal(1, hidden, 1, 1)), "conv2.bias": np.array([2.0])}
        scores = scores_of([columns.reshape(1, c, 1, kinds)], w, {**DEFAULTS, "use_bn": False})
        if np.diff(-scores).min() > 0.01:
            break
    return {f"x_{i}" if i else "x": t for i, t in enumerate(maps)}, w


def tie_cases(rng):
    base = {"use_bn": False, "select": True, "score_threshold": 22.0, "rf": 4.0,
            "rf_stride": 1.0, "rf_padding": 1.0, "max_feature_num": 17}
    table = [  # neighbours' boxes overlap by exactly a half
        ("ties", [(5, 4)], {}), ("ties_cut", [(5, 4)], {"max_feature_num": 6}),
        ("ties_across_scales", [(3, 4), (4, 3)], {"scales": [1.0, 2.0]}),
        ("ties_overlap_at_the_bound", [(5, 4)], {"iou_threshold": 0.5}),
        ("ties_overlap_over_the_bound", [(5, 4)], {"iou_threshold": 0.499}),
        ("ties_same_boxes", [(3, 4), (3, 4)], {"scales": [0.5, 0.5], "iou_threshold": 0.999}),
    ]
    for name, shapes, attrs in table:
        yield (name, *exact(rng(name), shapes, (1, 1, 2)), {**base, **attrs})
    base = {**base, "score_threshold": 0.0, "max_feature_num": 19}
    table = [
        ("ties_of_any_scores", [(5, 7), (3, 5)], {"scales": [1.0, 0.5]}),
        ("ties_of_any_scores_suppress", [(6, 7)], {"iou_threshold": 0.3}),
    ]
    for name, shapes, attrs in table:
        yield (name, *alike(rng(name), shapes, 5), {**base, **attrs})


def cases(rng):
    yield from pool_cases(rng)
    yield from select_cases(rng)
    yield from tie_cases(rng)
