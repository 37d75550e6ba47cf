# SPDX-License-Identifier: MIT
"""transpose: two axes exchanged (dim0, dim1), or a full permutation (dims)."""
import numpy as np

from draw import bf16
from plain import x_cases

DEFAULTS = {"dim0": None, "dim1": None, "dims": None}


def run(x, w, a):
    if (a["dims"] is None) == (a["dim0"] is None) or (a["dim0"] is None) != (a["dim1"] is None):
        raise ValueError("transpose takes either dim0 and dim1 or dims")
    if a["dims"] is not None:
        return {"y": x["x"].transpose(a["dims"])}
    return {"y": np.swapaxes(x["x"], a["dim0"], a["dim1"])}


def cases(rng):
    yield from x_cases(rng, [
        ("matrix", (5, 7), {"dim0": 0, "dim1": 1}),
        ("last_two", (2, 3, 5), {"dim0": -1, "dim1": -2}),
        ("first_and_last", (2, 3, 5, 4), {"dim0": 0, "dim1": -1}),
        ("same_axis", (2, 3), {"dim0": 1, "dim1": 1}),
        ("permutation", (2, 3, 5, 4), {"dims": [0, 2, 3, 1]}),
        ("permutation_negative", (2, 3, 5), {"dims": [-1, 0, 1]}),
        ("permutation_rank_5", (2, 1, 3, 2, 5), {"dims": [4, 2, 0, 3, 1]}),
        ("rank_1", (7,), {"dims": [0]}),
        ("tile_and_one", (33, 65), {"dim0": 0, "dim1": 1}),
    ])
    yield "x_bf16", {"x": bf16(rng("x_bf16").normal(3, 4))}, {}, {"dims": [1, 0]}
