# SPDX-License-Identifier: MIT
"""argmax: where the largest value stands along an axis; the first of equals."""
import numpy as np

from draw import f16
from plain import x_cases

DEFAULTS = {"dim": -1, "keepdim": False}


def run(x, w, a):
    return {"y": np.argmax(x["x"], axis=a["dim"], keepdims=a["keepdim"])}


def cases(rng):
    yield from x_cases(rng, [
        ("defaults", (3, 5, 7), {}),
        ("given", (4, 6), {"dim": -1, "keepdim": False}),
        ("dim_0", (11, 3), {"dim": 0}),
        ("dim_1_keep", (2, 5, 3, 4), {"dim": 1, "keepdim": True}),
        ("dim_minus_2", (2, 7, 5), {"dim": -2}),
        ("rank_1", (17,), {"dim": 0, "keepdim": True}),
        ("length_1", (3, 1), {}),
        ("long", (2, 1031), {}),
        ("all_negative", (3, 5), {}),
    ])
    r = rng("ties")
    yield "ties", {"x": np.round(r.normal(9, 13))}, {}, {}
    r = rng("all_equal")
    yield "all_equal", {"x": np.full((2, 300), -3.0)}, {}, {}
    r = rng("infinite")
    x = np.where(r.true(4, 5), -np.inf, r.normal(4, 5))
    x[0], x[1, 3], x[2, 2:] = -np.inf, np.inf, np.inf
    yield "infinite", {"x": x}, {}, {}
    yield "x_f16", {"x": f16(np.round(rng("x_f16").normal(5, 7)))}, {}, {}
