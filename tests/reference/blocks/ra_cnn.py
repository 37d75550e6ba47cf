# SPDX-License-Identifier: MIT
"""ra_cnn: attention proposal, crop and zoom of RA-CNN (Fu, Zheng and Mei, CVPR 2017)."""
import numpy as np

from common import layer, max_pool, sigmoid
from draw import bf16, f16
from plain import resize_linear

DEFAULTS = {"out_size": 224, "pool": False, "tl_scale": 1.0, "min_ratio": 1 / 3, "k": 10.0}


def propose(features, w, side, a):
    """(tx, ty, tl) of each sample in pixels."""
    f = max_pool(features, 2, 2) if a["pool"] else features
    hidden = np.tanh(layer(w, "apn.fc1", f.reshape(len(f), -1)))
    loc = sigmoid(layer(w, "apn.fc2", hidden)) * side
    loc[:, 2] = loc[:, 2] * a["tl_scale"]
    return loc


def ends(centre, half, side):
    """Where the box begins and ends along an axis; a clamp that was active gives an exact end."""
    if max(centre, half) > side - half:
        return int(max(side - 2 * half, 0)), side
    if centre < half:
        return 0, int(2 * half)
    return int(centre - half), int(min(centre + half, side))


def edge(side, low, high, k):
    """The logistic box along an axis."""
    at = np.arange(side)
    return sigmoid(k * (at - low)) - sigmoid(k * (at - high))


def run(x, w, a):
    image = x["image"]
    side = image.shape[2]
    if image.shape[3] != side:
        raise ValueError(f"image of {image.shape[2:]} is not square")
    if a["min_ratio"] * side < 0.5:
        raise ValueError(f"min_ratio {a['min_ratio']} of {side} pixels may leave no box")
    loc = x["loc"] if "loc" in x else propose(x["features"], w, side, a)
    out = {"y": [], "box": [], "mask": []}
    for sample, (tx, ty, tl) in zip(image, loc):
        half = max(tl, side * a["min_ratio"])
        r0, r1, c0, c1 = box = ends(tx, half, side) + ends(ty, half, side)
        mask = np.outer(edge(side, r0, r1, a["k"]), edge(side, c0, c1, a["k"]))
        crop = (sample * mask.astype(image.dtype))[None, :, r0:r1, c0:c1]
        for axis in (2, 3):
            crop = resize_linear(crop, axis, a["out_size"], None, True)
        for name, made in zip(out, (crop[0], box, mask)):
            out[name].append(made)
    return {**{name: np.array(rows) for name, rows in out.items()}, "loc": loc}


# Cases

def head(r, shape, hidden, pool=False):
    """Features [N, C, H, W] and the weights that make a region of them."""
    scale = 2 if pool else 1
    inner = shape[1] * (shape[2] // scale) * (shape[3] // scale)
    w = {**r.layer("apn.fc1", hidden, inner), **r.layer("apn.fc2", 3, hidden)}
    w["apn.fc2.weight"] *= 0.7
    w["apn.fc2.bias"][2] -= 0.5  # a region rather than the whole image
    return {"features": r.normal(*shape)}, w


def head_cases(rng):
    given = {"out_size": 5, "pool": False, "tl_scale": 1.0, "min_ratio": 1 / 3, "k": 10.0}
    table = [  # image, features, hidden width, attributes
        ("all_given", (1, 3, 7, 7), (1, 4, 3, 2), 5, given),
        ("one_of_everything", (1, 1, 1, 1), (1, 1, 1, 1), 1, {"out_size": 1, "min_ratio": 0.5}),
        ("head", (3, 2, 17, 17), (3, 5, 3, 4), 7, {"out_size": 8}),
        ("head_pool", (2, 2, 11, 11), (2, 4, 4, 6), 5, {"out_size": 7, "pool": True}),
        ("head_pool_odd", (2, 1, 11, 11), (2, 3, 5, 7), 5, {"out_size": 6, "pool": True}),
        ("head_tl_scale", (3, 2, 19, 19), (3, 5, 2, 3), 6, {"out_size": 9, "tl_scale": 0.5,
                                                            "min_ratio": 0.125}),
        ("head_tl_scale_above_1", (2, 1, 13, 13), (2, 3, 2, 3), 4, {"out_size": 5,
                                                                    "tl_scale": 1.5}),
        ("head_wide", (1, 1, 10, 10), (1, 37, 2, 3), 13, {"out_size": 4}),
    ]
    for name, image, features, hidden, attrs in table:
        r = rng(name)
        x, w = head(r, features, hidden, attrs.get("pool", False))
        yield name, {"image": r.normal(*image), **x}, w, attrs
    r = rng("head_saturated")
    x, w = head(r, (3, 4, 2, 2), 5)
    w["apn.fc2.weight"] *= 100
    yield "head_saturated", {"image": r.normal(3, 2, 11, 11), **x}, w, {"out_size": 6}
    r = rng("default_size_without_y")
    x, w = head(r, (2, 3, 3, 2), 5)
    yield "default_size_without_y", {"image": r.normal(2, 3, 23, 23), **x}, w, {}, \
        ["loc", "box", "mask"]


def loc_cases(rng):
    table = [  # image, loc, attributes
        ("loc", (2, 3, 17, 17), [[8.3, 9.6, 6.2], [7.4, 10.7, 5.9]], {"out_size": 9}),
        ("loc_clamped_low", (3, 1, 13, 13), [[2.2, 6.4, 5.3], [6.6, -7.5, 4.8], [-1.5, 0.0, 5.7]],
         {"out_size": 7}),
        ("loc_clamped_high", (3, 1, 13, 13), [[12.1, 6.4, 5.3], [6.6, 40.0, 4.8],
                                              [13.0, 9.4, 5.7]], {"out_size": 7}),
        ("loc_half_too_small", (2, 2, 13, 13), [[6.4, 6.9, 0.3], [2.2, 11.1, -3.0]],
         {"out_size": 5}),
        ("loc_half_too_large", (3, 2, 11, 11), [[5.2, 5.8, 5.7], [1.0, 10.0, 11.0],
                                                [6.0, 3.0, 500.0]], {"out_size": 6}),
        ("loc_whole_pixels", (4, 1, 16, 16), [[8, 7, 4], [4, 12, 4], [5, 11, 5], [3, 13, 6]],
         {"out_size": 5, "min_ratio": 0.25}),
        ("min_ratio_large", (2, 1, 9, 9), [[4.5, 4.5, 1.0], [1.0, 8.0, 7.0]],
         {"out_size": 8, "min_ratio": 0.7}),
        ("min_ratio_half", (1, 1, 9, 9), [[4.2, 4.7, 1.0]], {"out_size": 4, "min_ratio": 0.5}),
        ("one_pixel_boxes", (3, 2, 11, 11), [[4.3, 6.8, 0.1], [0.2, 10.9, 0.6], [3.5, 3.5, 0.0]],
         {"out_size": 3, "min_ratio": 0.05}),
        ("to_one_pixel", (2, 3, 11, 11), [[4.3, 6.8, 4.1], [6.2, 5.3, 4.6]], {"out_size": 1}),
        ("to_two_pixels", (2, 3, 11, 11), [[4.3, 6.8, 4.1], [6.2, 5.3, 4.6]], {"out_size": 2}),
        ("enlarged", (1, 1, 8, 8), [[4.3, 3.7, 3.1]], {"out_size": 37}),
        ("same_size", (1, 2, 12, 12), [[5.8, 6.3, 4.6]], {"out_size": 9}),
        ("soft_mask", (2, 2, 13, 13), [[6.2, 5.3, 4.6], [1.0, 12.0, 4.9]],
         {"out_size": 8, "k": 0.3}),
        ("steep_mask", (2, 2, 13, 13), [[6.2, 5.3, 4.6], [1.0, 12.0, 4.9]],
         {"out_size": 8, "k": 150.0}),
        ("large_image", (1, 1, 53, 53), [[28.3, 21.7, 18.6]], {"out_size": 29}),
    ]
    for name, image, loc, attrs in table:
        yield name, {"image": rng(name).normal(*image), "loc": np.array(loc, float)}, {}, attrs

    loc = [[8.3, 5.6, 4.2], [3.1, 6.7, 4.6]]
    r = rng("loc_beats_features")
    x, w = head(r, (2, 3, 4, 4), 5)
    yield "loc_beats_features", {"image": r.normal(2, 2, 12, 12), "loc": np.array(loc), **x}, w, \
        {"out_size": 6, "pool": True, "tl_scale": 0.25, "min_ratio": 0.25}
    r = rng("f16_bf16_y_only")
    yield "f16_bf16_y_only", {"image": f16(r.normal(2, 3, 11, 11)), "loc": bf16(loc)}, {}, \
        {"out_size": 5}, ["y"]


def cases(rng):
    yield from head_cases(rng)
    yield from loc_cases(rng)
