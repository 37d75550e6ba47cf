# SPDX-License-Identifier: MIT
"""linear: fully connected layer over the last axis, as torch.nn.Linear."""
from common import linear
from plain import conv_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": linear(x["x"], w["weight"], w.get("bias"))}


def cases(rng):
    yield from conv_cases(rng, [
        ("rank_2", (5, 7), (3, 7), {}),
        ("rank_1", (11,), (5, 11), {}),
        ("rank_3_no_bias", (2, 3, 13), (7, 13), {}),
        ("rank_4", (2, 1, 3, 5), (4, 5), {}),
        ("one_of_everything", (1, 1), (1, 1), {}),
        ("one_row_wide", (1, 131), (17, 131), {}),
        ("tile_and_one", (33, 17), (65, 17), {}),
        ("one_column_no_bias", (37, 1), (1, 1), {}),
    ])
