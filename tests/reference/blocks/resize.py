# SPDX-License-Identifier: MIT
"""resize: as torch.nn.functional.interpolate, scale_factor used as it is given."""
from common import pick
from draw import f16
from plain import resize_linear, resize_nearest, resize_size, x_cases

DEFAULTS = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": False}
MODES = {"nearest": (3, 4, 5), "linear": (3,), "bilinear": (4,), "trilinear": (5,)}


def run(x, w, a):
    x = x["x"]
    if x.ndim not in MODES[pick(a["mode"], MODES, "mode")]:
        raise ValueError(f"mode {a['mode']} with rank {x.ndim}")
    for axis, (size, factor) in enumerate(zip(*resize_size(x.shape, a)), 2):
        if a["mode"] == "nearest":
            x = resize_nearest(x, axis, size, factor)
        else:
            x = resize_linear(x, axis, size, factor, a["align_corners"])
    return {"y": x}


def cases(rng):
    two, one, three = {"mode": "bilinear"}, {"mode": "linear"}, {"mode": "trilinear"}
    corners = {"align_corners": True}
    yield from x_cases(rng, [
        ("nearest_up", (2, 3, 3, 5), {"scale_factor": 2}),
        ("nearest_size", (1, 3, 5, 3), {"size": [7, 11], "mode": "nearest"}),
        ("nearest_down", (1, 2, 11, 7), {"size": [4, 5]}),
        ("nearest_factors", (1, 2, 5, 7), {"scale_factor": [1.7, 0.6]}),
        ("nearest_1d", (2, 3, 7), {"size": 10}),
        ("nearest_3d", (1, 2, 2, 3, 5), {"scale_factor": [1.5, 2.0, 0.5]}),
        ("nearest_same_size", (1, 2, 4, 3), {"size": [4, 3]}),
        ("bilinear_up", (2, 3, 3, 5), {"scale_factor": 2.0, **two}),
        ("bilinear_size", (1, 2, 5, 7), {"size": [8, 6], "align_corners": False, **two}),
        ("bilinear_down", (1, 2, 11, 13), {"scale_factor": 0.3, **two}),
        ("bilinear_factor_kept", (1, 2, 5, 3), {"scale_factor": [1.5, 2.7], **two}),
        ("bilinear_corners", (2, 2, 5, 7), {"size": [9, 4], **two, **corners}),
        ("bilinear_corners_factor", (1, 2, 5, 3), {"scale_factor": 2.5, **two, **corners}),
        ("bilinear_corners_to_one", (1, 2, 5, 3), {"size": [1, 1], **two, **corners}),
        ("bilinear_from_one", (2, 3, 1, 1), {"size": 5, **two}),
        ("bilinear_corners_from_one", (2, 3, 1, 2), {"size": [3, 5], **two, **corners}),
        ("linear_up", (2, 3, 7), {"scale_factor": 1.9, **one}),
        ("linear_list", (1, 2, 9), {"size": [4], **one}),
        ("linear_corners", (1, 2, 5), {"size": 13, **one, **corners}),
        ("trilinear_up", (1, 2, 2, 3, 4), {"scale_factor": 2, **three}),
        ("trilinear_mixed", (1, 2, 3, 5, 4), {"size": [5, 2, 4], **three}),
        ("trilinear_corners", (1, 2, 3, 2, 3), {"scale_factor": [2.0, 1.5, 0.7], **three,
                                                **corners}),
        ("one_of_everything", (1, 1, 1, 1), {"scale_factor": 1.0, **two}),
    ])
    yield "x_f16", {"x": f16(rng("x_f16").normal(1, 3, 5, 3))}, {}, {"scale_factor": 2, **two}
