# SPDX-License-Identifier: MIT
"""softmax: along one axis, as torch.nn.Softmax; a row that is -inf throughout gives zeros, the
rule of all attention here (torch gives NaN)."""
import numpy as np

from common import masked_softmax
from draw import bf16
from plain import x_cases

DEFAULTS = {"dim": -1}


def run(x, w, a):
    return {"y": masked_softmax(x["x"], a["dim"])}


def cases(rng):
    yield from x_cases(rng, [
        ("defaults", (3, 5, 7), {}),
        ("given", (4, 6), {"dim": -1}),
        ("dim_0", (5, 3, 2), {"dim": 0}),
        ("dim_1", (2, 11, 3, 5), {"dim": 1}),
        ("dim_minus_2", (2, 3, 7, 5), {"dim": -2}),
        ("rank_1", (13,), {}),
        ("one_of_everything", (1, 1, 1), {}),
        ("length_1", (3, 5, 1), {}),
        ("long", (2, 1031), {}),
        ("rank_5", (2, 1, 3, 2, 3), {"dim": 2}),
    ])
    for name, scale, shift in (("large_values", 200.0, 0.0), ("far_down", 2.0, -1500.0)):
        x = rng(name).normal(3, 17, scale=scale, shift=shift)
        yield name, {"x": np.round(x)}, {}, {}  # exact in 16 bits
    r = rng("minus_inf")
    x = np.where(r.true(4, 7, p=0.5), -np.inf, r.normal(4, 7))
    x[0, 3] = 1.0
    x[1] = -np.inf  # nothing to share out: zeros
    x[2, :6], x[3, 0] = -np.inf, 0.0
    yield "minus_inf", {"x": x}, {}, {}
    yield "x_bf16", {"x": bf16(rng("x_bf16").normal(3, 11))}, {}, {}
