# SPDX-License-Identifier: MIT
"""relu: max(x, 0)."""
from common import relu
from plain import activation_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": relu(x["x"])}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {})])
