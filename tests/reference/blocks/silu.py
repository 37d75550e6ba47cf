# SPDX-License-Identifier: MIT
"""silu: x * sigmoid(x)."""
from common import silu
from plain import activation_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": silu(x["x"])}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {})])
