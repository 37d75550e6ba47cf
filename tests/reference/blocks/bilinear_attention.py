# SPDX-License-Identifier: MIT
"""bilinear_attention: BAN (Kim, Jun and Zhang, NeurIPS 2018), counting as Zhang et al. 2018."""
import numpy as np

from common import REQUIRED, layer, relu, sigmoid, softmax
from draw import bf16, f16

DEFAULTS = {"glimpse": REQUIRED, "k": 3, "v_mask": True, "mask_value": None, "pool": True,
            "counter": False, "objects": 10, "classify": False}


def maps(v, q, w, a):
    """(attention maps, masked logits), [N, G, V, Q] each."""
    vs, qs = relu(layer(w, "att.v_net", v)), relu(layer(w, "att.q_net", q))
    h = w["att.h_mat"].reshape(a["glimpse"], -1)
    if h.shape[1] % a["k"]:
        raise ValueError(f"width {h.shape[1]} of the attention is no multiple of k {a['k']}")
    logits = np.einsum("gc,nic,njc->ngij", h, vs, qs) + w["att.h_bias"].reshape(1, -1, 1, 1)
    if a["v_mask"]:
        empty = (np.abs(v).sum(axis=2) == 0)[:, None, :, None]
        value = -np.inf if a["mask_value"] is None else a["mask_value"]
        if value == -np.inf and empty.all(axis=2).any():
            raise ValueError("an image has no objects")
        logits = np.where(empty, np.asarray(value, logits.dtype), logits)
    flat = logits.reshape(logits.shape[:2] + (-1,))
    return softmax(flat).reshape(logits.shape), logits


def pooled(v, q, attn, w, g):
    vg, qg = relu(layer(w, f"b_net.{g}.v_net", v)), relu(layer(w, f"b_net.{g}.q_net", q))
    return np.einsum("nic,nij,njc->nc", vg, attn[:, g], qg)


# Counting: one image at a time

def piecewise(w, i, x):
    """Piecewise linear function i over [0, 1]."""
    t = np.abs(w[f"counter.f.{i}"])
    t = t / t.sum()
    low = np.trunc(16 * x).astype(int)
    return np.cumsum(t)[np.minimum(low, 16)] + (16 * x - low) * t[np.minimum(low + 1, 16)]


def distances(boxes):
    """1 - intersection over union of each pair."""
    low, high = boxes[:, :2], boxes[:, 2:4]

    def area(a, b):
        return np.maximum(b - a, 0).prod(axis=-1)
    inter, own = area(np.maximum(low[:, None], low), np.minimum(high[:, None], high)), \
        area(low, high)
    return 1 - inter / (own[:, None] + own - inter + 1e-12)


def one_hots(s, m):
    """The number s, shared between its two neighbours among 0..m."""
    s = min(max(s, 0), m)
    low, e = int(s), np.zeros(m + 1)
    e[low] += 1 - (s - low)
    e[min(low + 1, m)] += s - low
    return e


def count(boxes, a, w, m):
    keep = np.argsort(-a, kind="stable")[:m]
    a, d = sigmoid(a[keep]), distances(boxes[keep])
    r = np.outer(a, a)
    score, dd = piecewise(w, 0, r) * piecewise(w, 1, d), piecewise(w, 3, r) * piecewise(w, 4, d)
    sim = piecewise(w, 2, 1 - np.abs(dd[:, :, None] - dd[:, None, :])).prod(axis=0) \
        * piecewise(w, 2, 1 - np.abs(a[:, None] - a))
    row = sim.sum(axis=1)
    total = (score / np.outer(row, row)).sum() + (piecewise(w, 0, a * a) / row).sum()
    conf = np.abs(piecewise(w, 5, a) - 0.5).mean() + np.abs(piecewise(w, 6, d) - 0.5).mean()
    return one_hots(np.sqrt(total + 1e-20), m).astype(a.dtype) * piecewise(w, 7, conf)


def counts(boxes, logits, w, g, a):
    """The counter's vector of each image for glimpse g."""
    if boxes.shape[1] < a["objects"]:
        raise ValueError(f"objects {a['objects']} of {boxes.shape[1]} boxes")
    return np.stack([count(b, l, w, a["objects"])
                     for b, l in zip(boxes, logits[:, g].max(axis=2))])


def run(x, w, a):
    v, q = x["v"], x["q"]
    attn, logits = maps(v, q, w, a)
    if not a["pool"]:
        return {"y": attn, "attn": attn, "logits": logits}
    vectors = []
    for g in range(a["glimpse"]):
        vectors.append(pooled(v, q, attn, w, g))
        q = q + layer(w, f"q_prj.{g}", vectors[-1])[:, None]
        if a["counter"]:
            q = q + relu(layer(w, f"c_prj.{g}", counts(x["boxes"], logits, w, g, a)))[:, None]
    y = q
    if a["classify"]:
        y = layer(w, "classifier.fc2", relu(layer(w, "classifier.fc1", q.sum(axis=1))))
    return {"y": y, "attn": attn, "logits": logits, "b_emb": np.stack(vectors, axis=1)}


# Cases

def weights(r, dv, dh, dz, attrs):
    a = {**DEFAULTS, **attrs}
    width, glimpses = a["k"] * dz, a["glimpse"]
    w = {**r.layer("att.v_net", width, dv), **r.layer("att.q_net", width, dh),
         "att.h_mat": r.normal(1, glimpses, 1, width, scale=2 / np.sqrt(width)),
         "att.h_bias": r.normal(1, glimpses, 1, 1)}
    for g in range(glimpses) if a["pool"] else ():
        w.update({**r.layer(f"b_net.{g}.v_net", dh, dv), **r.layer(f"b_net.{g}.q_net", dh, dh),
                  **r.layer(f"q_prj.{g}", dh, dh)})
        w.update(r.layer(f"c_prj.{g}", dh, a["objects"] + 1) if a["counter"] else {})
    if a["pool"] and a["counter"]:
        w.update({f"counter.f.{i}": r.uniform(17, lo=-0.5, hi=1.0) for i in range(8)})
    if a["pool"] and a["classify"]:
        w.update({**r.layer("classifier.fc1", 6, dh), **r.layer("classifier.fc2", 5, 6)})
    return w


def some_boxes(r, n, v, columns):
    """Overlapping boxes within the unit square; columns behind the fourth mean nothing."""
    b = r.normal(n, v, columns)
    b[..., :2] = r.uniform(n, v, 2, lo=0.0, hi=0.5)
    b[..., 2:4] = b[..., :2] + r.uniform(n, v, 2, lo=0.2, hi=0.5)
    return b


def build(r, attrs, n, v, q, dv, dh, dz, columns=4, empty=0):
    """The last `empty` objects of the even images are padding."""
    x = {"v": r.normal(n, v, dv), "q": r.normal(n, q, dh)}
    if empty:
        x["v"][::2, -empty:] = 0
    if attrs.get("counter"):
        x["boxes"] = some_boxes(r, n, v, columns)
    return x, weights(r, dv, dh, dz, attrs)


def cases(rng):
    maps_only, counting = {"pool": False}, {"counter": True, "objects": 4}
    table = [
        ("defaults", {"glimpse": 2}, (2, 5, 3, 7, 4, 3), {}),
        ("all_given", {**DEFAULTS, "glimpse": 1}, (1, 3, 2, 5, 3, 2), {}),
        ("one_of_everything", {"glimpse": 1, "k": 1}, (1, 1, 1, 1, 1, 1), {}),
        ("padded_objects", {"glimpse": 2, "k": 2}, (3, 5, 3, 4, 5, 3), {"empty": 2}),
        ("padded_objects_unmasked", {"glimpse": 2, "v_mask": False}, (3, 5, 3, 4, 5, 3),
         {"empty": 2}),
        ("mask_value", {"glimpse": 2, "mask_value": -1.5}, (3, 5, 3, 4, 5, 3), {"empty": 2}),
        ("mask_value_all_empty", {"glimpse": 2, "mask_value": -99.0}, (2, 3, 4, 5, 3, 2),
         {"empty": 3}),
        ("one_object", {"glimpse": 3}, (2, 1, 5, 4, 3, 2), {}),
        ("one_token", {"glimpse": 3}, (2, 7, 1, 4, 3, 2), {}),
        ("glimpses_32", {"glimpse": 32, "k": 1}, (1, 3, 2, 2, 3, 2), {}),
        ("many_pairs", {"glimpse": 1, "k": 1}, (1, 37, 29, 3, 2, 3), {"empty": 5}),
        ("maps", {"glimpse": 3, **maps_only}, (2, 5, 3, 7, 4, 3), {"empty": 1}),
        ("maps_unmasked", {"glimpse": 1, "v_mask": False, **maps_only}, (2, 3, 7, 4, 5, 2),
         {"empty": 1}),
        ("maps_ignore_the_rest", {"glimpse": 2, "classify": True, "counter": True, "objects": 99,
                                  **maps_only}, (1, 3, 4, 5, 3, 2), {}),
        ("classify", {"glimpse": 2, "classify": True}, (3, 5, 4, 3, 7, 2), {"empty": 1}),
        ("counter", {"glimpse": 2, **counting}, (2, 7, 3, 4, 5, 2), {}),
        ("counter_all_boxes", {"glimpse": 1, **counting}, (3, 4, 3, 4, 5, 2), {"columns": 6}),
        ("counter_one_box", {"glimpse": 2, "counter": True, "objects": 1}, (2, 3, 2, 4, 3, 2),
         {}),
        ("counter_default_objects", {"glimpse": 1, "counter": True}, (2, 13, 3, 4, 5, 2), {}),
        ("counter_padded", {"glimpse": 2, **counting}, (3, 6, 3, 4, 5, 2), {"empty": 4}),
        ("counter_mask_value", {"glimpse": 2, "mask_value": -99.0, **counting},
         (3, 6, 3, 4, 5, 2), {"empty": 4}),
        ("counter_classify", {"glimpse": 2, "classify": True, **counting}, (2, 5, 3, 4, 5, 2),
         {"columns": 5}),
        ("objects_ignored", {"glimpse": 1, "objects": 50}, (2, 3, 4, 2, 3, 2), {}),
    ]
    for name, attrs, sizes, more in table:
        yield (name, *build(rng(name), attrs, *sizes, **more), attrs)

    r, attrs = rng("counter_apart_and_alike"), {"glimpse": 2, **counting}
    x, w = build(r, attrs, 2, 5, 3, 4, 5, 2)
    x["boxes"][0, :, 0::2] += 2 * np.arange(5)[:, None]  # no two meet
    x["boxes"][1, 1:3] = x["boxes"][1, 0]
    x["boxes"][1, 3, 2:] = x["boxes"][1, 3, :2] - 0.1  # nothing inside
    yield "counter_apart_and_alike", x, w, attrs
    r, attrs = rng("unused_weights_and_boxes"), {"glimpse": 2, **counting, "classify": True}
    x, w = build(r, attrs, 2, 5, 3, 4, 5, 2)
    yield "unused_weights_and_boxes", x, w, {"glimpse": 2}
    r, attrs = rng("large_logits"), {"glimpse": 2}
    x, w = build(r, attrs, 2, 5, 3, 4, 5, 2)
    w["att.h_mat"] *= 60
    yield "large_logits", x, w, attrs
    r, attrs = rng("f16_bf16_y_only"), {"glimpse": 2}
    x, w = build(r, attrs, 2, 5, 3, 4, 5, 2, empty=1)
    yield "f16_bf16_y_only", {name: f16(t) for name, t in x.items()}, \
        {name: bf16(t) for name, t in w.items()}, attrs, ["y"]
