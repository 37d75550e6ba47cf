# SPDX-License-Identifier: MIT
"""layer_norm: over the trailing axes that the weight (or normalized_shape) has, as
torch.nn.LayerNorm."""
from common import standardize
from draw import f16

DEFAULTS = {"normalized_shape": None, "eps": 1e-5}


def run(x, w, a):
    shape = list(w["weight"].shape) if "weight" in w else a["normalized_shape"]
    shape = shape if isinstance(shape, (list, tuple)) else [shape]
    if shape != list(x["x"].shape[-len(shape):]):
        raise ValueError(f"normalized shape {shape} against {x['x'].shape}")
    y = standardize(x["x"], tuple(range(-len(shape), 0)), a["eps"])
    y = y * w["weight"] if "weight" in w else y
    return {"y": y + w["bias"] if "bias" in w else y}


def cases(rng):
    table = [
        ("last_axis", (2, 3, 7), (7,), {}, ()),
        ("all_given", (2, 3, 8), (8,), {"normalized_shape": [8], "eps": 1e-5}, ()),
        ("two_axes", (3, 5, 3), (5, 3), {}, ()),
        ("three_axes", (2, 3, 2, 5), (3, 2, 5), {}, ()),
        ("every_axis", (3, 11), (3, 11), {}, ()),
        ("one_wide", (3, 2, 1), (1,), {}, ()),  # the bias alone is left
        ("rank_1", (13,), (13,), {}, ()),
        ("wide", (2, 517), (517,), {}, ()),
        ("no_bias", (4, 5), (5,), {}, ("bias",)),
        ("bias_only", (4, 5), (5,), {"normalized_shape": [5]}, ("weight",)),
        ("no_affine", (2, 3, 5), (3, 5), {"normalized_shape": [3, 5]}, ("weight", "bias")),
        ("no_affine_eps", (2, 3, 5), (5,), {"normalized_shape": [5], "eps": 0.1},
         ("weight", "bias")),
    ]
    for name, shape, norm, attrs, without in table:
        r = rng(name)
        w = {"weight": r.normal(*norm, shift=1.0, scale=0.3), "bias": r.normal(*norm, scale=0.3)}
        yield name, {"x": r.normal(*shape)}, {k: t for k, t in w.items() if k not in without}, attrs

    r = rng("far_from_zero")  # the variance must not come from the mean of squares
    yield "far_from_zero", {"x": r.normal(3, 37, shift=30.0)}, r.norm("", 37), {}

    r = rng("x_f16")
    yield "x_f16", {"x": f16(r.normal(3, 19))}, r.norm("", 19), {}
