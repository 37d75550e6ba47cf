# SPDX-License-Identifier: MIT
"""tanh: hyperbolic tangent."""
import numpy as np

from plain import activation_cases

DEFAULTS = {}


def run(x, w, a):
    return {"y": np.tanh(x["x"])}


def cases(rng):
    yield from activation_cases(rng, [("defaults", {})])
