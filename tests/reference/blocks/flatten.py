# SPDX-License-Identifier: MIT
"""flatten: the axes from start_dim to end_dim made one, as torch.nn.Flatten."""
from draw import f16
from plain import x_cases

DEFAULTS = {"start_dim": 1, "end_dim": -1}


def run(x, w, a):
    x = x["x"]
    first, last = a["start_dim"] % x.ndim, a["end_dim"] % x.ndim
    if first > last:
        raise ValueError(f"start_dim {a['start_dim']} lies behind end_dim {a['end_dim']}")
    return {"y": x.reshape(x.shape[:first] + (-1,) + x.shape[last + 1:])}


def cases(rng):
    yield from x_cases(rng, [
        ("defaults", (2, 3, 5, 2), {}),
        ("given", (2, 3, 4), {"start_dim": 1, "end_dim": -1}),
        ("from_0", (2, 3, 5), {"start_dim": 0}),
        ("middle", (2, 3, 5, 4), {"start_dim": 1, "end_dim": 2}),
        ("negative", (2, 3, 5, 4), {"start_dim": -3, "end_dim": -2}),
        ("one_axis", (2, 3, 5), {"start_dim": 1, "end_dim": 1}),
        ("rank_2", (3, 7), {}),
        ("rank_1", (5,), {"start_dim": 0}),
    ])
    yield "x_f16", {"x": f16(rng("x_f16").normal(3, 2, 4))}, {}, {}
