# SPDX-License-Identifier: MIT
"""max_pool: as torch.nn.MaxPool1d/2d/3d, by the rank of x."""
import numpy as np

from common import REQUIRED
from draw import f16
from plain import pool, x_cases

DEFAULTS = {"kernel_size": REQUIRED, "stride": None, "padding": 0, "dilation": 1,
            "ceil_mode": False}


def run(x, w, a):
    return {"y": pool(x["x"], a, lambda values, count: values.max(axis=-1))}


def cases(rng):
    yield from x_cases(rng, [
        ("defaults_2d", (2, 3, 7, 5), {"kernel_size": 2}),
        ("all_given", (1, 2, 5, 5), {**DEFAULTS, "kernel_size": 3, "stride": 2}),
        ("one_of_everything", (1, 1, 1, 1), {"kernel_size": 1}),
        ("stem", (1, 3, 9, 11), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("overlapping_1d", (2, 3, 13), {"kernel_size": 5, "stride": 2, "padding": 2}),
        ("ceil_1d", (1, 3, 8), {"kernel_size": 3, "stride": 3, "ceil_mode": True}),
        ("ceil_last_window_dropped", (1, 2, 3), {"kernel_size": 2, "stride": 5, "padding": 1,
                                                 "ceil_mode": True}),
        ("ceil_2d", (2, 3, 6, 7), {"kernel_size": 3, "stride": 2, "padding": 1,
                                   "ceil_mode": True}),
        ("lists", (1, 3, 7, 10), {"kernel_size": [3, 2], "stride": [1, 3], "padding": [1, 0],
                                  "dilation": [2, 4]}),
        ("dilated", (1, 2, 7, 7), {"kernel_size": 3, "stride": 1, "dilation": 3}),
        ("gaps_between_windows", (1, 2, 11), {"kernel_size": 2, "stride": 4}),
        ("frames_3d", (1, 2, 3, 5, 7), {"kernel_size": [1, 2, 2]}),
        ("ceil_3d", (1, 2, 3, 4, 5), {"kernel_size": 2, "stride": 2, "ceil_mode": True,
                                      "padding": [1, 0, 1]}),
        ("whole_map", (2, 5, 3, 7), {"kernel_size": [3, 7]}),
    ])
    r = rng("all_negative_padded")  # padding is -inf, not 0
    yield "all_negative_padded", {"x": r.uniform(2, 3, 5, 3, lo=-9, hi=-1)}, {}, \
        {"kernel_size": 3, "stride": 2, "padding": 1}

    r = rng("infinite")
    x = np.where(r.true(1, 2, 7, 5, p=0.4), -np.inf, r.normal(1, 2, 7, 5))
    x[0, 1, 2, 3], x[0, 0, :2, :2] = np.inf, -np.inf
    yield "infinite", {"x": x}, {}, {"kernel_size": 2}

    r = rng("nan")
    x = r.normal(1, 2, 5, 5)
    x[0, 0, 1, 1], x[0, 1, 4, 3] = np.nan, np.nan
    yield "nan", {"x": x}, {}, {"kernel_size": 2, "stride": 1}

    yield "x_f16", {"x": f16(rng("x_f16").normal(1, 3, 5, 5))}, {}, {"kernel_size": 3, "stride": 1}
