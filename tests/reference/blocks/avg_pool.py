# SPDX-License-Identifier: MIT
"""avg_pool: as torch.nn.AvgPool1d/2d/3d, by the rank of x."""
from common import REQUIRED
from draw import bf16
from plain import pool, x_cases

DEFAULTS = {"kernel_size": REQUIRED, "stride": None, "padding": 0, "ceil_mode": False,
            "count_include_pad": True, "divisor_override": None}


def run(x, w, a):
    def mean(values, count):
        divisor = a["divisor_override"] or (count if a["count_include_pad"] else values.shape[-1])
        return values.sum(axis=-1) / divisor
    return {"y": pool(x["x"], a, mean)}


def cases(rng):
    bare = {"count_include_pad": False}
    yield from x_cases(rng, [
        ("defaults_2d", (2, 3, 7, 5), {"kernel_size": 2}),
        ("all_given", (1, 2, 5, 5), {**DEFAULTS, "kernel_size": 3, "stride": 2}),
        ("one_of_everything", (1, 1, 1, 1), {"kernel_size": 1}),
        ("padded", (1, 3, 9, 11), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("padded_not_counted", (1, 3, 9, 11), {"kernel_size": 3, "stride": 2, "padding": 1,
                                              **bare}),
        ("padded_1d", (2, 3, 13), {"kernel_size": 5, "stride": 2, "padding": 2}),
        ("ceil_1d", (1, 3, 8), {"kernel_size": 3, "ceil_mode": True}),
        ("ceil_last_window_dropped", (1, 2, 3), {"kernel_size": 2, "stride": 5, "padding": 1,
                                                 "ceil_mode": True}),
        ("ceil_padded_2d", (2, 3, 6, 7), {"kernel_size": 3, "stride": 2, "padding": 1,
                                          "ceil_mode": True}),
        ("ceil_beyond_padding", (1, 2, 9), {"kernel_size": 4, "stride": 4, "padding": 1,
                                            "ceil_mode": True}),
        ("ceil_padded_not_counted", (2, 3, 6, 7), {"kernel_size": 3, "stride": 2, "padding": 1,
                                                   "ceil_mode": True, **bare}),
        ("lists", (1, 3, 7, 10), {"kernel_size": [3, 2], "stride": [1, 3], "padding": [1, 0]}),
        ("divisor", (1, 2, 5, 4), {"kernel_size": 2, "stride": 1, "divisor_override": 3}),
        ("divisor_beats_count", (1, 2, 5, 4), {"kernel_size": 3, "padding": 1,
                                              "divisor_override": 7, **bare}),
        ("frames_3d", (1, 2, 3, 5, 7), {"kernel_size": [1, 2, 2]}),
        ("padded_3d", (1, 2, 3, 4, 5), {"kernel_size": 3, "stride": 2, "padding": [1, 0, 1],
                                        "ceil_mode": True, **bare}),
        ("divisor_3d", (1, 2, 3, 3, 3), {"kernel_size": 2, "divisor_override": 5}),
        ("whole_map", (2, 5, 3, 7), {"kernel_size": [3, 7]}),
    ])
    yield "x_bf16", {"x": bf16(rng("x_bf16").normal(1, 3, 5, 5))}, {}, {"kernel_size": 3,
                                                                        "stride": 1}
