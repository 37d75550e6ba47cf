# SPDX-License-Identifier: MIT
"""sigmoid: 1 / (1 + exp(-x))."""
from common import sigmoid
from plain import activation_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": sigmoid(x["x"])}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {})])
