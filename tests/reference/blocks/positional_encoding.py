# SPDX-License-Identifier: MIT
"""positional_encoding: sinusoidal position signal (Vaswani et al., NeurIPS 2017)."""
import math

import numpy as np

from common import pick
from draw import bf16, f16
from plain import x_cases

DEFAULTS = {"layout": "interleaved", "start": 0, "max_timescale": 10000, "min_timescale": 1,
            "input_scale": 1}


def interleaved(p, e, a):
    if e % 2:
        raise ValueError(f"the interleaved layout needs an even width, not {e}")
    angle = p * np.exp(-np.arange(0, e, 2) * math.log(a["max_timescale"]) / e)
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(len(p), e)


def halves(p, e, a):
    n = e // 2
    step = math.log(a["max_timescale"] / a["min_timescale"]) / max(n - 1, 1)
    angle = p * (a["min_timescale"] * np.exp(-np.arange(n) * step))
    return np.pad(np.concatenate([np.sin(angle), np.cos(angle)], axis=1), [(0, 0), (0, e % 2)])


def run(x, w, a):
    layout = {"interleaved": interleaved, "halves": halves}
    t, e = x["x"].shape[1:]
    pe = layout[pick(a["layout"], layout, "layout")]((a["start"] + np.arange(t))[:, None], e, a)
    pe = pe.astype(x["x"].dtype)  # the table is made in double in any case
    return {"y": a["input_scale"] * x["x"] + pe, "pe": pe}


def cases(rng):
    half = {"layout": "halves"}
    yield from x_cases(rng, [
        ("defaults", (2, 7, 10), {}),
        ("all_given", (1, 3, 8), dict(DEFAULTS)),
        ("two_wide", (2, 5, 2), {}),
        ("one_token", (3, 1, 6), {}),
        ("start", (1, 5, 6), {"start": 123}),
        ("far_start", (1, 5, 6), {"start": 1000003}),
        ("timescale", (1, 5, 8), {"max_timescale": 123.5}),
        ("input_scale", (2, 3, 14), {"input_scale": 14 ** 0.5}),
        ("input_scale_0", (2, 3, 4), {"input_scale": 0}),
        ("interleaved_ignores_min", (1, 4, 6), {"min_timescale": 7.5}),
        ("halves", (2, 7, 10), half),
        ("halves_odd", (2, 5, 7), half),
        ("halves_two_wide", (1, 5, 2), half),  # one timescale: no division by 0
        ("halves_three_wide", (1, 5, 3), {**half, "start": 9}),
        ("halves_min_and_max", (1, 5, 9), {**half, "min_timescale": 0.25, "max_timescale": 50.0,
                                           "input_scale": -2.5}),
        ("halves_far_start", (1, 3, 6), {**half, "start": 70001}),
        ("halves_min_far_start", (2, 3, 2), {**half, "start": 10 ** 10, "min_timescale": 7}),
    ])
    yield "x_f16", {"x": f16(rng("x_f16").normal(1, 4, 6))}, {}, {}
    yield "x_bf16", {"x": bf16(rng("x_bf16").normal(1, 3, 5))}, {}, half
