# SPDX-License-Identifier: MIT
"""rmac_attention: regional attention (Kim and Yoon, BMVC 2018) and R-MAC (Tolias et al., ICLR
2016)."""
import math

import numpy as np

from common import linear, pick, softplus
from draw import bf16, f16

DEFAULTS = {"mode": "attention", "L": 5, "spatial_scale": 0.03125, "image_height": 0,
            "image_width": 0, "hidden_act": "tanh", "roi_round": "half_even", "pca": None,
            "eps": None}


# Regions: which ones there are hangs on the precision of each step

def extra_regions(short, long):
    """How many more regions the long side has; in single precision."""
    side, square = np.float32(short), np.float32(short) * np.float32(short)
    if short == long:
        return 0

    def miss(k):
        overlap = (square - side * (np.float32(long - short) / np.float32(k))) / square
        return abs(overlap - np.float32(0.4))
    return min(range(1, 7), key=miss)


def starts(length, side, count, a):
    """The starts of count + 1 regions of one side along an axis."""
    step, m = (length - side) / count if count else 0.0, math.floor(side / 2 - 1)
    if a["mode"] == "rmac":
        at = [np.float32(step) * np.float32(i) + np.float32(m) for i in range(count + 1)]
    else:
        at = [m + step * i for i in range(count + 1)]
    return [math.floor(v) - m for v in at]


def squares(height, width, a):
    """(X, Y, side) on the canvas."""
    short, extra = min(height, width), extra_regions(min(height, width), max(height, width))
    more_rows, more_cols = extra * (height > width), extra * (width > height)
    for l in range(1, a["L"] + 1):
        side = 2 * short // (l + 1)
        if a["mode"] == "rmac" and side == 0:
            continue
        for y in starts(height, side, l - 1 + more_rows, a):
            for x in starts(width, side, l - 1 + more_cols, a):
                yield x, y, side


def rounded(value, a):
    if pick(a["roi_round"], ("half_even", "half_away"), "roi_round") == "half_even":
        return int(np.rint(value))
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))


def cells(start, side, canvas, length, a):
    """Which cells of the map an axis of a square on the image covers: (first, end)."""
    scale, start = np.float32(a["spatial_scale"]), min(start, canvas - side)
    first = rounded(np.float32(start) * scale, a)
    last = rounded(np.float32(start + side - 1) * scale, a)
    end = first + max(last - first + 1, 1)
    return min(length, max(0, first)), min(length, max(0, end))


def regions(height, width, a):
    """(x0, y0, x1, y1) in cells of the map."""
    if a["mode"] == "rmac":
        return [(0, 0, width, height)] + [(x, y, x + side, y + side)
                                          for x, y, side in squares(height, width, a)]
    canvas = [size or round(n / a["spatial_scale"])
              for size, n in ((a["image_height"], height), (a["image_width"], width))]
    found = []
    for x, y, side in squares(*canvas, a):
        x0, x1 = cells(x, side, canvas[1], width, a)
        y0, y1 = cells(y, side, canvas[0], height, a)
        found.append((x0, y0, x1, y1))
    return found


# Vectors, channels last

def unit(v, eps, by_maximum):
    u = v / v.max(axis=-1, keepdims=True) if by_maximum else v
    return u / (np.sqrt((u * u).sum(axis=-1, keepdims=True)) + eps)


def over_regions(x, boxes, reduce):
    """reduce(values [N, C, cells]) of each region, [N, R, ...]; 0 where one has no cell."""
    parts = [x[:, :, y0:y1, x0:x1].reshape(x.shape[:2] + (-1,)) for x0, y0, x1, y1 in boxes]
    empty = np.zeros_like(reduce(x.reshape(x.shape[:2] + (-1,))))
    return np.stack([reduce(part) if part.shape[2] else empty for part in parts], axis=1)


def maxima(part):
    return part.max(axis=2)


def attended(x, w, boxes, a, eps):
    g, whole = over_regions(x, boxes, maxima), x.mean(axis=(2, 3))
    if a["pca"] is None or a["pca"]:
        g = linear(g + w["pca_shift.bias"], w["pca_fc.weight"])
    acts = {"tanh": np.tanh, "softplus": softplus}
    hidden = acts[pick(a["hidden_act"], acts, "hidden_act")](linear(
        over_regions(x, boxes, lambda part: np.concatenate([part.mean(axis=2), whole], axis=1)),
        w["attention.conv1.weight"], w["attention.conv1.bias"]))
    attn = softplus(linear(hidden, w["attention.conv2.weight"], w["attention.conv2.bias"]))
    return unit((attn * unit(g, eps, True)).mean(axis=1), eps, True), attn[:, :, 0]


def summed(x, w, boxes, a, eps):
    g = unit(over_regions(x, boxes, maxima), eps, False)
    if a["pca"]:
        g = unit(linear(g, w["whiten.weight"], w["whiten.bias"]), eps, False)
    return unit(g.sum(axis=1), eps, False), np.ones(g.shape[:2], x.dtype)


def run(x, w, a):
    x, by_attention = x["x"], pick(a["mode"], ("attention", "rmac"), "mode") == "attention"
    if a["L"] < 1 or a["spatial_scale"] <= 0 or min(a["image_height"], a["image_width"]) < 0:
        raise ValueError(f"L {a['L']}, spatial_scale {a['spatial_scale']}, image of "
                         f"{a['image_height']} by {a['image_width']}")
    eps = (1e-8 if by_attention else 1e-6) if a["eps"] is None else a["eps"]
    boxes = regions(x.shape[2], x.shape[3], a)
    if by_attention:
        y, attn = attended(x, w, boxes, a, eps)
    else:
        y, attn = summed(x, w, boxes, a, eps)
    return {"y": y, "attn": attn, "regions": np.array(boxes, np.int32)}


# Cases

def sparse(r, *shape):
    """As after a ReLU: some of the values are 0."""
    return np.maximum(r.normal(*shape, shift=0.5), 0)


def weights(r, c, attrs, hidden=5, out=None):
    a = {**DEFAULTS, **attrs}
    if a["mode"] == "rmac":
        return r.layer("whiten", out or c, c) if a["pca"] else {}
    w = {**r.layer("attention.conv1", hidden, 2 * c), **r.layer("attention.conv2", 1, hidden)}
    if a["pca"] is None or a["pca"]:
        w["pca_shift.bias"] = r.normal(c, shift=-1.0, scale=0.3)
        w.update(r.layer("pca_fc", c, c, bias=False))
    return w


def attention_table():
    soft, raw, cell = {"hidden_act": "softplus"}, {"pca": False}, {"spatial_scale": 1.0}
    image = {"image_height": 224, "image_width": 288}
    return [
        ("attention", (1, 7, 7, 9), {}),
        ("attention_all_given", (2, 5, 7, 9), {**DEFAULTS, **image, "pca": True, "eps": 1e-8}),
        ("attention_square", (2, 5, 7, 7), {"L": 3}),
        ("attention_tall", (1, 5, 9, 5), {**soft, "image_height": 300, "image_width": 160}),
        ("attention_long", (1, 4, 3, 17), {"L": 2}),
        ("attention_other_image", (1, 5, 7, 7), {"L": 4, "image_height": 220,
                                                 "image_width": 210}),
        ("attention_one_height_given", (1, 5, 6, 7), {"L": 3, "image_height": 201}),
        ("attention_half_even", (1, 5, 5, 9), {"L": 3, "image_height": 162, "image_width": 274,
                                               "roi_round": "half_even"}),
        ("attention_half_away", (1, 5, 5, 9), {"L": 3, "image_height": 162, "image_width": 274,
                                               "roi_round": "half_away"}),
        ("attention_single_precision_extra", (1, 4, 5, 9), {"L": 3, "image_height": 160,
                                                            "image_width": 288}),
        ("attention_raw", (2, 7, 5, 6), {**raw, "L": 3}),
        ("attention_raw_softplus", (1, 7, 6, 5), {**raw, **soft, "L": 2, "eps": 0.0}),
        ("attention_large_eps", (2, 5, 5, 5), {"L": 2, "eps": 0.5}),
        ("attention_one_pixel", (2, 4, 1, 1), {"L": 3}),
        ("attention_one_scale", (1, 4, 3, 8), {"L": 1}),
        ("attention_cells", (1, 5, 7, 6), {**cell, "L": 4}),
        ("attention_empty_regions", (1, 5, 2, 3), {**cell, "L": 5}),  # squares of side 0
        ("attention_image_over_map", (1, 5, 3, 3), {"L": 3, "image_height": 140,
                                                    "image_width": 170}),
        ("attention_coarse", (1, 3, 11, 13), {"L": 2, "spatial_scale": 0.0625}),
        ("attention_scale_not_binary", (1, 3, 5, 6), {"L": 3, "spatial_scale": 0.1}),
    ]


def rmac_table():
    rmac, white = {"mode": "rmac", "L": 3}, {"mode": "rmac", "L": 3, "pca": True}
    return [  # x, components
        ("rmac", (2, 7, 7, 9), None, rmac),
        ("rmac_all_given", (1, 5, 6, 5), None, {**DEFAULTS, **rmac, "pca": False, "eps": 1e-6}),
        ("rmac_default_scales", (1, 5, 8, 7), None, {"mode": "rmac"}),
        ("rmac_square", (2, 5, 5, 5), None, rmac),
        ("rmac_single_precision_extra", (1, 4, 5, 9), None, rmac),
        ("rmac_single_precision_extra_tall", (1, 4, 9, 5), None, rmac),
        ("rmac_single_precision_starts", (1, 3, 8, 36), None, {**rmac, "L": 4}),
        ("rmac_single_precision_starts_tall", (1, 2, 36, 8), None, {**rmac, "L": 2}),
        ("rmac_scales_left_out", (2, 5, 1, 5), None, rmac),
        ("rmac_many_scales", (1, 4, 3, 4), None, {**rmac, "L": 9}),
        ("rmac_one_pixel", (2, 4, 1, 1), None, rmac),
        ("rmac_one_scale", (1, 5, 3, 7), None, {**rmac, "L": 1}),
        ("rmac_white", (2, 7, 5, 7), 7, white),
        ("rmac_white_fewer", (2, 7, 6, 4), 3, white),
        ("rmac_white_more", (1, 3, 4, 4), 8, {**white, "eps": 0.25}),
        ("rmac_no_eps", (1, 5, 4, 5), None, {**rmac, "eps": 0.0}),
        ("rmac_ignores_the_rest", (1, 5, 4, 6), None, {
            **rmac, "spatial_scale": 0.5, "image_height": 77, "image_width": 50,
            "hidden_act": "softplus", "roi_round": "half_away"}),
    ]


def cases(rng):
    for name, shape, attrs in attention_table():
        r = rng(name)
        yield name, {"x": sparse(r, *shape)}, weights(r, shape[1], attrs), attrs
    for name, shape, out, attrs in rmac_table():
        r = rng(name)
        yield name, {"x": sparse(r, *shape)}, weights(r, shape[1], attrs, out=out), attrs

    r = rng("attention_signed")
    yield "attention_signed", {"x": r.normal(2, 5, 5, 6)}, weights(r, 5, {}), {"L": 2}

    r = rng("attention_negative_maximum")  # every component of g is below 0: its sign changes
    w = {**weights(r, 4, {}), "pca_shift.bias": np.full(4, -9.0), "pca_fc.weight": np.eye(4)}
    yield "attention_negative_maximum", {"x": sparse(r, 1, 4, 5, 5)}, w, {"L": 2}

    for name, attrs in (("attention_zero_sample", {"L": 2, "pca": False}),  # NaN in sample 1
                        ("rmac_zero_sample", {"L": 2, "mode": "rmac"})):  # 0 in sample 1
        r = rng(name)
        x = sparse(r, 3, 4, 3, 4)
        x[1] = 0
        yield name, {"x": x}, weights(r, 4, attrs), attrs

    r, attrs = rng("unused_weights"), {"mode": "rmac", "L": 2}
    w = {**weights(r, 4, {}), **weights(r, 4, {**attrs, "pca": True})}
    yield "unused_weights", {"x": sparse(r, 1, 4, 3, 5)}, w, attrs

    for name, attrs in (("f16_bf16_y_only", {"L": 3}),
                        ("rmac_f16_bf16", {"mode": "rmac", "L": 3, "pca": True})):
        r = rng(name)
        w = {key: bf16(t) for key, t in weights(r, 8, attrs).items()}
        yield (name, {"x": f16(sparse(r, 2, 8, 6, 7))}, w, attrs,
               *([["y"]] if name.endswith("only") else []))
