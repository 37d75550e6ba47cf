# SPDX-License-Identifier: MIT
"""hard_swish: x * min(max(x + 3, 0), 6) / 6."""
from common import hard_sigmoid
from plain import activation_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": x["x"] * hard_sigmoid(x["x"])}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {})])
