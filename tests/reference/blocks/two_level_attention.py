# SPDX-License-Identifier: MIT
"""two_level_attention: patches chosen by object and by part (Xiao et al., CVPR 2015)."""
import numpy as np

from common import layer, pick, positions, softmax
from draw import bf16, f16, i64
from recurrent import lengths_of

DEFAULTS = {"mode": "full", "parent": None, "threshold": 0.9, "parts": None, "window": [1, 1],
            "alpha": 0.5}
MODES = ("object", "part_patch", "part_map", "full")


def object_level(x, counts, a):
    logits, parent = x["filter_logits"], a["parent"]
    if not parent or not all(0 <= c < logits.shape[2] for c in parent):
        raise ValueError(f"parent {parent} of {logits.shape[2]} classes")
    score = softmax(logits)[:, :, parent].sum(axis=2)
    kept, domain = np.zeros(score.shape, bool), softmax(x["domain_logits"])
    mean = np.empty_like(domain[:, 0])
    for n, count in enumerate(counts):
        score[n, count:] = 0
        kept[n, :count] = score[n, :count] >= a["threshold"]
        if not kept[n].any():
            kept[n, score[n, :count].argmax()] = True
        mean[n] = domain[n, kept[n]].mean(axis=0)
    return {"y": mean, "score": score, "selected": kept.astype(int), "object_score": mean}


def by_cluster(responses, x, a):
    """Sums of [.., C] over the filters of each cluster: [.., G]."""
    clusters, parts = x["clusters"], a["parts"]
    if ((clusters < -1) | (clusters >= parts)).any() or \
            not all((clusters == j).any() for j in range(parts)):
        raise ValueError(f"clusters {clusters.tolist()} for {parts} parts")
    return np.stack([responses[..., clusters == j].sum(axis=-1) for j in range(parts)], axis=-1)


def patch_parts(x, counts, a):
    part_score = by_cluster(x["act"].sum(axis=(3, 4)), x, a)
    for n, count in enumerate(counts):
        part_score[n, count:] = 0
    best = np.stack([row[:count].argmax(axis=0) for row, count in zip(part_score, counts)])
    chosen = np.stack([feat[at] for feat, at in zip(x["feat"], best)])
    desc = np.concatenate([x["feat_image"][:, None], chosen], axis=1)
    return {"part_score": part_score, "best": best, "desc": desc.reshape(len(desc), -1)}


def map_parts(x, a):
    m = np.moveaxis(by_cluster(np.moveaxis(x["x"], 1, -1), x, a), -1, 1)
    rows, columns = (min(w, n) for w, n in zip(a["window"], m.shape[2:]))
    box = np.empty(m.shape[:2] + (m.shape[2] - rows + 1, m.shape[3] - columns + 1), m.dtype)
    for r, q in np.ndindex(*box.shape[2:]):
        box[:, :, r, q] = m[:, :, r:r + rows, q:q + columns].sum(axis=(2, 3))
    best = np.stack(np.unravel_index(positions(box).argmax(axis=2), box.shape[2:]), axis=2)
    desc = [[image.mean(axis=(1, 2))]
            + [image[:, r:r + rows, q:q + columns].mean(axis=(1, 2)) for r, q in at]
            for image, at in zip(x["x"], best)]
    return {"part_map": m, "best": best, "desc": np.array(desc).reshape(len(desc), -1)}


def run(x, w, a):
    mode, out = pick(a["mode"], MODES, "mode"), {}
    if mode != "part_map":
        first = "feat" if mode == "part_patch" else "filter_logits"
        counts = lengths_of(x, "counts", *x[first].shape[:2])
    if mode in ("object", "full"):
        out.update(object_level(x, counts, a))
    if mode == "object":
        return out
    out.update(map_parts(x, a) if mode == "part_map" else patch_parts(x, counts, a))
    if mode != "full":
        return {**out, "y": layer(w, "svm", out["desc"]) if "svm.weight" in w else out["desc"]}
    return {**out, "y": out["object_score"] + a["alpha"] * layer(w, "svm", out["desc"])}


# Cases

def object_inputs(r, n, p, f, k, scale=3.0):
    return {"filter_logits": r.normal(n, p, f, scale=scale), "domain_logits": r.normal(n, p, k)}


def patch_inputs(r, n, p, clusters, h, w, d):
    return {"act": np.maximum(r.normal(n, p, len(clusters), h, w), 0), "feat": r.normal(n, p, d),
            "feat_image": r.normal(n, d), "clusters": np.array(clusters, np.int32)}


def object_cases(rng):
    mode = {"mode": "object"}
    table = [  # attributes, (N, P, F, K), counts
        ("object", {"parent": [0, 2, 3], "threshold": 0.5}, (2, 7, 5, 3), None),
        ("object_all_given", {"parent": [1, 4], "threshold": 0.9, "parts": 1, "window": [1, 1],
                              "alpha": 0.5}, (1, 5, 6, 4), None),
        ("object_one_of_everything", {"parent": [0]}, (1, 1, 1, 1), None),
        ("object_counts", {"parent": [4, 1], "threshold": 0.4}, (4, 7, 5, 3), [7, 1, 4, 3]),
        ("object_none_kept", {"parent": [2], "threshold": 2.0}, (3, 5, 7, 4), [5, 3, 1]),
        ("object_all_kept", {"parent": [2], "threshold": 0.0}, (3, 5, 7, 4), [5, 3, 1]),
        ("object_default_threshold", {"parent": [0, 1, 2, 3]}, (3, 9, 5, 2), None),
        ("object_many_classes", {"parent": list(range(3, 131, 2)), "threshold": 0.5},
         (1, 5, 131, 67), None),
        ("object_many_patches", {"parent": [1, 2], "threshold": 0.6}, (1, 257, 3, 2), [251]),
    ]
    for name, attrs, sizes, counts in table:
        x = object_inputs(rng(name), *sizes)
        if counts:
            x["counts"] = np.array(counts, np.int32)
        yield name, x, {}, {**mode, **attrs}

    attrs = {**mode, "parent": [1, 3], "threshold": 0.5}
    r = rng("object_large_padding")  # what lies behind the count would win
    x = {**object_inputs(r, 2, 5, 4, 3), "counts": np.array([2, 3], np.int32)}
    x["filter_logits"][:, 3:, 1], x["domain_logits"][:, 3:] = 1e4, 1e4
    yield "object_large_padding", x, {}, attrs
    r = rng("object_large_logits")
    yield "object_large_logits", object_inputs(r, 2, 5, 4, 3, scale=300.0), {}, attrs
    r = rng("object_ties")  # none is kept, all are as good as the first
    x = object_inputs(r, 2, 5, 4, 3)
    x["filter_logits"][:] = 0
    yield "object_ties", x, {}, {**attrs, "threshold": 0.75}
    r = rng("object_alike")  # two kinds of patches, in single precision, too
    x = object_inputs(r, 2, 9, 37, 3)
    x["filter_logits"] = x["filter_logits"][:, [0, 1, 0, 1, 1, 0, 1, 1, 0]]
    yield "object_alike", x, {}, {**mode, "parent": list(range(0, 37, 2)), "threshold": 2.0}
    r = rng("object_all_classes")  # their sum is 1
    yield "object_all_classes", object_inputs(r, 2, 7, 5, 3), {}, \
        {**mode, "parent": [0, 1, 2, 3, 4], "threshold": 0.999999}
    r = rng("object_f16_bf16_i64")
    x = object_inputs(r, 2, 5, 4, 3)
    yield "object_f16_bf16_i64", {"filter_logits": f16(x["filter_logits"]), "domain_logits":
                                  bf16(x["domain_logits"]), "counts": i64([5, 3])}, {}, attrs
    r = rng("object_unused_parts")
    x, clusters = object_inputs(r, 2, 5, 4, 3), [0, 1, 1]
    yield "object_unused_parts", {**x, **patch_inputs(r, 2, 5, clusters, 1, 1, 3)}, \
        r.layer("svm", 3, 9), attrs


def patch_cases(rng):
    mode = {"mode": "part_patch"}
    table = [  # parts, (N, P, clusters, h, w, D), classes, counts
        ("patch", 2, (2, 5, [0, 1, 0, 1, 0], 1, 1, 4), 3, None),
        ("patch_no_svm", 3, (2, 5, [2, 1, 0, 1, 0, -1], 1, 1, 4), 0, None),
        ("patch_one_of_everything", 1, (1, 1, [0], 1, 1, 1), 1, None),
        ("patch_responses", 2, (2, 3, [1, 0, -1, 1, 1], 3, 2, 5), 4, None),
        ("patch_counts", 2, (4, 5, [0, 0, 1, -1, 1], 2, 1, 3), 2, [5, 1, 3, 2]),
        ("patch_counts_no_svm", 1, (3, 4, [0, -1, 0], 1, 3, 3), 0, [1, 4, 2]),
        ("patch_cluster_a_filter", 5, (1, 7, [3, 1, 4, 0, 2], 1, 1, 2), 3, None),
        ("patch_many_filters", 3, (1, 3, [i % 4 - 1 for i in range(131)], 2, 2, 3), 2, None),
    ]
    for name, parts, sizes, classes, counts in table:
        r = rng(name)
        x = patch_inputs(r, *sizes)
        if counts:
            x["counts"] = np.array(counts, np.int32)
        yield name, x, r.layer("svm", classes, (parts + 1) * sizes[5]) if classes else {}, \
            {**mode, "parts": parts}

    r, attrs = rng("patch_large_padding"), {**mode, "parts": 2}
    x = {**patch_inputs(r, 2, 5, [0, 1, 1], 2, 1, 3), "counts": np.array([2, 3], np.int32)}
    x["act"][:, 3:], x["feat"][:, 3:] = 1e4, 1e4
    yield "patch_large_padding", x, r.layer("svm", 2, 9), attrs
    r = rng("patch_ties")
    x = patch_inputs(r, 2, 5, [0, 1, 1], 2, 1, 3)
    x["act"][:, :, 0] = 0  # cluster 0 never answers
    yield "patch_ties", x, {}, attrs
    r = rng("patch_alike")  # sums that no rounding of single precision may tell apart
    x = patch_inputs(r, 2, 9, [i % 3 - 1 for i in range(37)], 2, 1, 3)
    x["act"] = np.round(x["act"] * 4096)[:, [0, 1, 0, 1, 1, 0, 1, 1, 0]] / 4096
    yield "patch_alike", x, {}, attrs
    r = rng("patch_all_negative")  # padding's 0 is no score
    x = {**patch_inputs(r, 2, 5, [0, 1, 1], 2, 1, 3), "counts": np.array([3, 4], np.int32)}
    x["act"] = -1 - x["act"]
    yield "patch_all_negative", x, {}, attrs
    r = rng("patch_f16_bf16_i64")
    x = patch_inputs(r, 2, 5, [0, 1, 1], 1, 1, 3)
    yield "patch_f16_bf16_i64", {"act": f16(x["act"]), "feat": bf16(x["feat"]), "feat_image":
                                 f16(x["feat_image"]), "clusters": i64(x["clusters"])}, \
        {name: bf16(t) for name, t in r.layer("svm", 2, 9).items()}, attrs


def map_cases(rng):
    mode = {"mode": "part_map"}
    table = [  # attributes, (N, H, W), clusters, classes
        ("map", {"parts": 2}, (2, 5, 4), [0, 1, 0, 1, 0], 3),
        ("map_no_svm", {"parts": 3, "window": [1, 1]}, (2, 3, 5), [2, 1, 0, 1, -1], 0),
        ("map_one_of_everything", {"parts": 1}, (1, 1, 1), [0], 1),
        ("map_window", {"parts": 2, "window": [3, 2]}, (2, 5, 7), [1, -1, 0, 1], 2),
        ("map_window_beyond", {"parts": 2, "window": [9, 3]}, (2, 5, 7), [1, 0, 0], 2),
        ("map_window_all", {"parts": 2, "window": [5, 7]}, (2, 5, 7), [1, 0, 0], 0),
        ("map_row", {"parts": 2, "window": [1, 5]}, (1, 1, 13), [1, 0, 0], 3),
        ("map_large", {"parts": 3, "window": [4, 5]}, (1, 19, 23), [1, 2, 0, 0], 0),
    ]
    for name, attrs, (n, h, w), clusters, classes in table:
        r = rng(name)
        x = {"x": r.normal(n, len(clusters), h, w), "clusters": np.array(clusters, np.int32)}
        yield name, x, r.layer("svm", classes, (attrs["parts"] + 1) * len(clusters)) \
            if classes else {}, {**mode, **attrs}
    r = rng("map_ties")
    x = np.zeros((2, 3, 4, 5))
    x[1, :, 2, 1:3] = 1.5
    yield "map_ties", {"x": x, "clusters": i64([0, 1, 1])}, {}, {**mode, "parts": 2,
                                                                "window": [2, 1]}
    r = rng("map_f16_y_only")
    yield "map_f16_y_only", {"x": f16(r.normal(2, 3, 4, 5)), "clusters": i64([0, 1, 1])}, {}, \
        {**mode, "parts": 2, "window": [2, 3]}, ["y"]


def full_cases(rng):
    table = [  # attributes, (N, P, F, K), (clusters, h, w, D), counts
        ("full", {"parent": [0, 2], "parts": 2, "threshold": 0.5}, (2, 5, 4, 3),
         ([0, 1, 1], 1, 1, 4), None),
        ("full_all_given", {"mode": "full", "parent": [0, 2], "threshold": 0.6, "parts": 1,
                            "window": [1, 1], "alpha": 0.5}, (1, 4, 4, 3), ([0, -1], 1, 1, 3),
         None),
        ("full_counts_alpha", {"parent": [1, 3], "parts": 3, "threshold": 0.5, "alpha": 2.0},
         (3, 7, 4, 5), ([2, 1, 0, -1, 0], 2, 3, 3), [4, 7, 1]),
        ("full_default_threshold", {"parent": [0, 1, 3], "parts": 1}, (2, 7, 4, 2),
         ([0, 0], 1, 2, 3), None),
        ("full_alpha_0", {"parent": [1], "parts": 1, "threshold": 0.4, "alpha": 0.0},
         (2, 5, 3, 4), ([0], 1, 1, 2), None),
        ("full_one_of_everything", {"parent": [0], "parts": 1}, (1, 1, 1, 1), ([0], 1, 1, 1),
         None),
    ]
    for name, attrs, sizes, (clusters, h, w, d), counts in table:
        r = rng(name)
        x = {**object_inputs(r, *sizes), **patch_inputs(r, *sizes[:2], clusters, h, w, d)}
        if counts:
            x["counts"] = np.array(counts, np.int32)
        yield name, x, r.layer("svm", sizes[3], (attrs["parts"] + 1) * d), attrs


def cases(rng):
    yield from object_cases(rng)
    yield from patch_cases(rng)
    yield from map_cases(rng)
    yield from full_cases(rng)
