# SPDX-License-Identifier: MIT
"""reshape: the same values in another shape; -1 is what is left over, 0 keeps the axis."""
from common import REQUIRED
from draw import f16
from plain import x_cases

DEFAULTS = {"shape": REQUIRED}


def run(x, w, a):
    x = x["x"]
    return {"y": x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(a["shape"])])}


def cases(rng):
    yield from x_cases(rng, [
        ("plain", (2, 3, 5), {"shape": [5, 6]}),
        ("rest", (2, 3, 4), {"shape": [2, -1]}),
        ("keep", (3, 5, 2), {"shape": [0, -1]}),
        ("keep_two_split", (2, 3, 12), {"shape": [0, 0, 4, -1]}),
        ("to_rank_1", (2, 3, 5), {"shape": [-1]}),
        ("ones", (7,), {"shape": [1, 7, 1, 1]}),
        ("one_value", (1, 1, 1), {"shape": [1]}),
        ("rest_is_one", (2, 3), {"shape": [2, -1, 3]}),
    ])
    yield "x_f16", {"x": f16(rng("x_f16").normal(3, 4))}, {}, {"shape": [2, 6]}
